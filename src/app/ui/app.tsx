/** The whole page: the picture or video on its stage, what is asked of it beside, what was made below. */
import { useEffect } from 'preact/hooks';
import { percentText, text } from '../i18n/text.ts';
import { animate } from '../state/batch.ts';
import { cancel, live } from '../state/jobs.ts';
import { Controls } from './controls.tsx';
import { Footer } from './footer.tsx';
import { Gallery } from './gallery.tsx';
import { Header } from './header.tsx';
import { Profile } from './profile.tsx';
import { QueuePanel } from './queue-panel.tsx';
import { Stage } from './stage.tsx';

/** The page. */
export function App() {
  useTitle();
  useKeys();
  return (
    <>
      <Header />
      <main class="studio">
        <Stage />
        <Controls />
        <QueuePanel />
        <Gallery />
        <Profile />
      </main>
      <Footer />
    </>
  );
}

/** The title shows how far a run is, also while the tab is in the background. */
function useTitle(): void {
  const percent = live.value && percentText(live.value.done);
  const title = percent === undefined ? text('app.title') : text('run.percentTitle', { percent });
  useEffect(() => {
    document.title = title;
  }, [title]);
}

function useKeys(): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !document.querySelector('dialog[open]')) cancel();
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void animate();
    };
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
  }, []);
}
