/** What waits, runs, or was left behind: order changed, taken out, gone on with, tried again. */
import { percentText, text } from '../i18n/text.ts';
import type { Job, JobState } from '../jobs/job.ts';
import { isOver } from '../jobs/job.ts';
import { jobs, paused, queue } from '../state/jobs.ts';
import { failureText } from './failure-text.ts';
import { Icon } from './icon.tsx';
import type { IconName } from './icon.tsx';

/** Jobs that the person may still want to do something about. */
const isListed = ({ state }: Job): boolean => state !== 'done' && state !== 'cancelled';

/** The panel; nothing while one job at most is there and runs. */
export function QueuePanel() {
  const listed = jobs.value.filter(isListed);
  if (listed.length === 0 || (listed.length === 1 && listed[0]?.state === 'running')) return null;
  return (
    <section class="queue" aria-labelledby="queue-title">
      <div class="line">
        <h2 id="queue-title">{text('queue.title')}</h2>
        <Pace />
      </div>
      <ol>
        {listed.map((job) => (
          <Row key={job.id} job={job} place={jobs.value.indexOf(job)} />
        ))}
      </ol>
    </section>
  );
}

/** Stops after the job that runs, or goes on. */
const Pace = () =>
  paused.value ? (
    <button type="button" id="queue-start" onClick={() => queue.value?.start()}>
      {text('queue.start')}
    </button>
  ) : (
    <button type="button" id="queue-stop" onClick={() => queue.value?.stopAfterThis()}>
      {text('queue.stopAfter')}
    </button>
  );

const STATE_CLASS: Partial<Record<JobState, string>> = { failed: 'bad', running: 'now' };

function Row({ job, place }: { readonly job: Job; readonly place: number }) {
  const { id, state } = job;
  const name = nameOf(job);
  return (
    <li class={`job ${STATE_CLASS[state] ?? ''}`}>
      <div class="what">
        <p class="name">{name}</p>
        <p class="hint">{stateText(job)}</p>
      </div>
      <div class="acts">
        {state === 'waiting' && (
          <>
            <Act
              icon="up"
              label={text('queue.up', { name })}
              act={() => queue.value?.move(id, place - 1)}
            />
            <Act
              icon="below"
              label={text('queue.down', { name })}
              act={() => queue.value?.move(id, place + 2)}
            />
          </>
        )}
        {state === 'stopped' && (
          <button type="button" class="chip resume" onClick={() => queue.value?.resume(id)}>
            {text('queue.resume')}
          </button>
        )}
        {state === 'failed' && (
          <button type="button" class="chip" onClick={() => queue.value?.retry(id)}>
            {text('queue.retry')}
          </button>
        )}
        <Act
          icon="trash"
          label={text('queue.remove', { name })}
          act={() => void queue.value?.remove(id)}
        />
      </div>
    </li>
  );
}

type ActProps = { readonly icon: IconName; readonly label: string; readonly act: () => void };

const Act = ({ icon, label, act }: ActProps) => (
  <button type="button" class="square quiet" aria-label={label} title={label} onClick={act}>
    <Icon name={icon} />
  </button>
);

/** What a job is about, in a few words. */
function nameOf({ settings }: Job): string {
  const words = [settings.prompt, settings.camera].filter((part) => part).join(', ');
  const preset = settings.preset ? text(`preset.${settings.preset}`) : '';
  const seed = text('queue.seed', { seed: String(settings.seed ?? 0) });
  return [words || text('queue.noWords'), preset, seed].filter((part) => part).join(' · ');
}

function stateText(job: Job): string {
  const { state, progress, checkpoint, failure } = job;
  if (failure && isOver(job)) return failureText(failure);
  if (state === 'running' && progress)
    return text('queue.runningAt', { percent: percentText(progress.done) });
  if (state === 'stopped' && checkpoint) return text('queue.stoppedAt', checkpoint);
  return text(`queue.${state}`);
}
