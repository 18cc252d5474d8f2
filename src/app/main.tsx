/** The page: language and theme first, then everything that is seen. All computing is in the worker. */
import { render } from 'preact';
import { chooseLocale, firstLocale } from './i18n/locale.ts';
import { followAttention } from './state/attention.ts';
import { followEstimates } from './state/estimates.ts';
import { listResults } from './state/history.ts';
import { followQueue } from './state/jobs.ts';
import { inspectMachine } from './state/machine.ts';
import { isBuiltIn, listModels, watchDownloads } from './state/models.ts';
import { openQueue } from './state/open-queue.ts';
import { takeShared } from './state/intake.ts';
import { followStage } from './state/stage.ts';
import { followStill } from './state/still.ts';
import { applyTheme } from './state/theme.ts';
import { followTurned } from './state/turned.ts';
import { followUpdates } from './state/updates.ts';
import { App } from './ui/app.tsx';

applyTheme();
const locale = chooseLocale(firstLocale(), false);
const queue = openQueue();
void inspectMachine();
await locale;
const place = document.getElementById('app');
if (!place) throw new TypeError('the page has no element "app"');
render(<App />, place);
followQueue(await queue);
followStage();
followEstimates();
followAttention();
followStill();
followTurned();
followUpdates();
watchDownloads();
await listResults();
// A model of the list that is used is named by its title.
if (!isBuiltIn.value) await listModels();
await takeShared();
