/** Saves the log of runs: times, memory and outcomes, no pictures and no words. */
import { text } from '../i18n/text.ts';
import { databaseStore } from '../jobs/database.ts';
import { openRunLog } from '../jobs/run-log.ts';
import type { RunRecord } from '../jobs/run-log.ts';
import { download } from '../state/saving.ts';

async function saveLog(): Promise<void> {
  const csv = await openRunLog(databaseStore<RunRecord>('runs')).asCsv();
  download(new Blob([csv], { type: 'text/csv' }), 'zoetrope-runs.csv');
}

/** The button. */
export const RunLogButton = () => (
  <button type="button" id="run-log" class="quiet" onClick={() => void saveLog()}>
    {text('runLog.save')}
  </button>
);
