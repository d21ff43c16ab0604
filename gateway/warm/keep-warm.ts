// `keep_warm`: loads and unloads models at set times. When is a schedule's business; what is done is `ModelActions`'.

import type { KeepWarmEntry, Settings } from '../config/settings.ts';
import type { AdminKeepWarm, AdminModelAction, AdminModelActionResult } from '../contract.ts';
import type { Log } from '../telemetry/log.ts';
import { type Schedule, type StartSchedule, startCron } from './cron-schedule.ts';

/** How long an action waits for the requests of its model to end. */
const waitMs = 5 * 60_000;

export interface KeepWarmOptions {
  readonly actions: {
    run(action: AdminModelAction, options: { readonly waitMs: number }): Promise<AdminModelActionResult>;
  };
  readonly settings: Settings;
  readonly log: Log;
  /** node-cron, unless a test decides when. */
  readonly startSchedule?: StartSchedule;
}

interface Planned {
  readonly provider: string;
  readonly entry: KeepWarmEntry;
  /** Null while nothing is due: paused, or not begun. */
  schedule: Schedule | null;
  isUnderWay: boolean;
  last: AdminModelActionResult | null;
}

export class KeepWarm {
  readonly #options: KeepWarmOptions;
  #settings: Settings;
  #planned: ReadonlyMap<string, Planned> = new Map();
  #life: 'new' | 'running' | 'paused' | 'closed' = 'new';

  constructor(options: KeepWarmOptions) {
    this.#options = options;
    this.#settings = options.settings;
  }

  start(): void {
    if (this.#life !== 'new') return;
    this.#life = 'running';
    this.#plan();
  }

  /** Takes on other settings; entries that stay the same go on as they were. */
  apply(settings: Settings): void {
    this.#settings = settings;
    if (this.#life === 'running' || this.#life === 'paused') this.#plan();
  }

  /** The machine goes to sleep: nothing is due until `resume()`, and nothing is made up for then. */
  pause(): void {
    if (this.#life !== 'running') return;
    this.#life = 'paused';
    for (const planned of this.#planned.values()) stop(planned);
  }

  resume(): void {
    if (this.#life !== 'paused') return;
    this.#life = 'running';
    this.#plan();
  }

  /** Nothing is due any more; what runs is ended by closing the actions. */
  close(): void {
    this.#life = 'closed';
    for (const planned of this.#planned.values()) stop(planned);
    this.#planned = new Map();
  }

  /** Each entry with its next and its last run, in the order of the settings. */
  status(): readonly AdminKeepWarm[] {
    return [...this.#planned.values()].map(({ provider, entry, schedule, last }) => ({
      provider,
      ...entry,
      nextAtMs: schedule?.nextAtMs() ?? null,
      last,
    }));
  }

  #plan(): void {
    const former = this.#planned;
    const planned = new Map<string, Planned>();
    for (const [provider, { keepWarm }] of this.#settings.providers) {
      for (const entry of keepWarm) {
        const key = JSON.stringify([provider, entry.schedule, entry.model, entry.action]);
        planned.set(key, former.get(key) ?? { provider, entry, schedule: null, isUnderWay: false, last: null });
      }
    }
    this.#planned = planned;
    for (const [key, gone] of former) if (!planned.has(key)) stop(gone);
    if (this.#life === 'running') for (const each of planned.values()) this.#startOne(each);
  }

  #startOne(planned: Planned): void {
    const start = this.#options.startSchedule ?? startCron;
    planned.schedule ??= start(planned.entry.schedule, () => void this.#run(planned));
  }

  /** One run; none of the same entry while one is under way. */
  async #run(planned: Planned): Promise<void> {
    const { provider, entry } = planned;
    const { model, action } = entry;
    if (planned.isUnderWay) {
      this.#options.log.debug(`keep_warm: ${action} ${model} on ${provider} is due and still under way`);
      return;
    }
    planned.isUnderWay = true;
    try {
      planned.last = await this.#options.actions.run({ provider, model, action, by: 'schedule' }, { waitMs });
    } finally {
      planned.isUnderWay = false;
    }
  }
}

function stop(planned: Planned): void {
  planned.schedule?.stop();
  planned.schedule = null;
}
