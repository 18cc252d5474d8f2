/** The page: chooses, sets, generates, shows. All computing is in the worker. */
import { modelNames } from './catalog.ts';
import { element } from './dom.ts';
import { AppError, startEngine } from './engine-client.ts';
import { adapterText, failureText } from './messages.ts';
import { picturePanel } from './picture-panel.ts';
import { resultPanel } from './result-panel.ts';
import { settingsPanel } from './settings-panel.ts';

const engine = startEngine();
const adapter = element('adapter', HTMLParagraphElement);
const generate = element('generate', HTMLButtonElement);
const cancel = element('cancel', HTMLButtonElement);
const result = resultPanel();
const picture = picturePanel(() => result.clear());
const settings = settingsPanel();
const wishes = new URLSearchParams(location.search);
/** `?profile` shows the times of every kernel; `?tune` times their variants on a processor too. */
const measures = { profile: wishes.has('profile'), ...(wishes.has('tune') && { tune: true }) };
let running: AbortController | undefined;

const textOf = (error: unknown): string =>
  error instanceof AppError
    ? failureText(error.code, error.message)
    : failureText('internal', error instanceof Error ? error.message : String(error));

async function run(): Promise<void> {
  if (running) return;
  const { file } = picture;
  if (!file) {
    result.showFailure('Choose a picture first.');
    return;
  }
  running = new AbortController();
  generate.disabled = true;
  cancel.disabled = false;
  result.start();
  try {
    const { video, report, profile } = await engine.animate({
      picture: file,
      model: { name: modelNames[0] ?? '' },
      settings: settings(),
      measures,
      signal: running.signal,
      onProgress: (event) => result.showProgress(event),
    });
    result.showVideo(video, report);
    if (profile) (await import('./profile-panel.ts')).showProfile(profile);
  } catch (error) {
    result.showFailure(textOf(error));
  } finally {
    running = undefined;
    generate.disabled = false;
    cancel.disabled = true;
  }
}

async function describeAdapter(): Promise<void> {
  if (!isSecureContext) {
    adapter.textContent = failureText('gpu/insecure', '');
    return;
  }
  try {
    adapter.textContent = adapterText(await engine.inspect());
  } catch (error) {
    adapter.textContent = textOf(error);
  }
}

element('form', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  void run();
});
cancel.addEventListener('click', () => running?.abort());
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') running?.abort();
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void run();
});
void describeAdapter();
