/** What was made before, as a strip of film: a click puts a video on the stage. */
import { useEffect, useState } from 'preact/hooks';
import { dateText, text } from '../i18n/text.ts';
import { posterUrl, removeResult, results, showResult, shown } from '../state/history.ts';
import type { ResultFacts } from '../storage/history.ts';
import { Icon } from './icon.tsx';

/** The strip; nothing while nothing is kept. */
export const Gallery = () =>
  results.value.length === 0 ? null : (
    <section class="gallery" aria-labelledby="gallery-title">
      <h2 id="gallery-title">{text('gallery.title')}</h2>
      <ul class="strip">
        {results.value.map((facts) => (
          <Tile key={facts.id} facts={facts} />
        ))}
      </ul>
    </section>
  );

function Tile({ facts }: { readonly facts: ResultFacts }) {
  const url = usePoster(facts.id);
  const at = dateText(new Date(facts.createdAt));
  return (
    <li class="tile">
      <button
        type="button"
        class="frame"
        aria-label={text('gallery.show', { at })}
        aria-current={shown.value?.facts.id === facts.id}
        onClick={() => void showResult(facts.id)}
      >
        {url === undefined ? <Icon name="film" /> : <img src={url} alt="" />}
      </button>
      <button
        type="button"
        class="square remove"
        aria-label={text('gallery.remove', { at })}
        title={text('gallery.remove', { at })}
        onClick={() => void removeResult(facts.id)}
      >
        <Icon name="trash" />
      </button>
    </li>
  );
}

/** The address of a video's small picture, as long as the tile is there. */
function usePoster(id: string): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    let own: string | undefined;
    let gone = false;
    void posterUrl(id).then((made) => {
      own = made;
      if (gone && made !== undefined) URL.revokeObjectURL(made);
      else setUrl(made);
    });
    return () => {
      gone = true;
      if (own !== undefined) URL.revokeObjectURL(own);
    };
  }, [id]);
  return url;
}
