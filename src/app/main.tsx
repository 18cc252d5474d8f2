/** The page: language and theme first, then everything that is seen. All computing is in the worker. */
import { render } from 'preact';
import { chooseLocale, firstLocale } from './i18n/locale.ts';
import { inspectMachine } from './state/machine.ts';
import { watchDownloads } from './state/models.ts';
import { applyTheme } from './state/theme.ts';
import { App } from './ui/app.tsx';

applyTheme();
void inspectMachine();
watchDownloads();
await chooseLocale(firstLocale(), false);
const place = document.getElementById('app');
if (!place) throw new TypeError('the page has no element "app"');
render(<App />, place);
