// Changes the configuration from the outside: looked at whole before anything is written, undone from kept versions.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { GatewayError } from '../errors.ts';
import { editFile } from './edit.ts';
import { changedText, type TextChange } from './edit-text.ts';
import { hideSecrets, revealSecrets } from './hidden-secrets.ts';
import { hasErrors } from './problems.ts';
import type { ConfigProblem } from './settings.ts';
import { digestOf } from './sources.ts';
import { ConfigError, type SettingsStore } from './store.ts';
import { listVersions } from './versions.ts';

export interface ConfigEditorOptions {
  readonly store: SettingsStore;
  /** The file that changes go to: the first one, or the one that would be created; null: there is none. */
  readonly file: string | null;
  readonly dataFolder: string;
  /** Epoch ms. */
  readonly now: () => number;
}

/** The file that changes go to, as it is now. */
export interface EditableFile {
  /** Absolute. */
  readonly file: string;
  /** '' while it is not there. Keys that stand in it plainly are hidden: see hidden-secrets.ts. */
  readonly text: string;
  /** Of this content; a change names the one it was made from. */
  readonly version: string;
  /** Former contents, the newest first: when each was replaced, epoch ms. */
  readonly former: readonly number[];
}

/** Keys and all. */
type FileOnDisk = Pick<EditableFile, 'file' | 'text' | 'version'>;

export class ConfigEditor {
  readonly #options: ConfigEditorOptions;

  constructor(options: ConfigEditorOptions) {
    this.#options = options;
  }

  /** Throws `conflict` where no file is configured. */
  get current(): EditableFile {
    const { dataFolder } = this.#options;
    const { file, text, version } = this.#onDisk();
    const former = listVersions(dataFolder, file).map(({ savedAtMs }) => savedAtMs);
    return { file, text: hideSecrets(text), version, former };
  }

  /** What there is to say of a text in place of the file's; changes nothing. */
  check(text: string): readonly ConfigProblem[] {
    return this.#problemsOf(revealSecrets(text, this.#onDisk().text));
  }

  /**
   * Puts a text in the file's place; it is in force when this returns. Returns what the file is now.
   * Throws `ConfigError` where it is no valid configuration and `GatewayError` `conflict` where the file is not of that
   * version any more.
   */
  apply(text: string, version: string): EditableFile {
    const current = this.#onDisk();
    if (current.version !== version) throw changedMeanwhile(current.file);
    return this.#write(current, revealSecrets(text, current.text));
  }

  /** Sets and removes values; comments and everything else stay. Throws what `apply` and `changedText` throw. */
  change(changes: readonly TextChange[], version: string | null = null): EditableFile {
    const current = this.#onDisk();
    if (version !== null && current.version !== version) throw changedMeanwhile(current.file);
    return this.#write(current, changedText(current.text, changes));
  }

  /** Puts back what the file held before it was replaced at that time. Throws `not_found`, and what `apply` throws. */
  restore(savedAtMs: number, version: string): EditableFile {
    const former = listVersions(this.#options.dataFolder, this.#file()).find((one) => one.savedAtMs === savedAtMs);
    if (former !== undefined) return this.apply(readFileSync(former.file, 'utf8'), version);
    throw new GatewayError('not_found', 'No version was kept at that time, or it is older than the last 20.', {
      param: 'savedAtMs',
    });
  }

  #file(): string {
    const { file } = this.#options;
    if (file !== null) return resolve(file);
    throw new GatewayError('conflict', 'The gateway was started without a configuration file that could be changed.');
  }

  #onDisk(): FileOnDisk {
    const file = this.#file();
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return { file, text, version: digestOf(text) };
  }

  #problemsOf(text: string): readonly ConfigProblem[] {
    return this.#options.store.draft(text).problems;
  }

  #write({ file, text: before, version }: FileOnDisk, text: string): EditableFile {
    const { store, dataFolder, now } = this.#options;
    const problems = this.#problemsOf(text);
    if (hasErrors(problems)) throw new ConfigError(problems);
    if (existsSync(file)) editFile(file, { dataFolder, expectedDigest: version, nowMs: now() }, () => text);
    else if (before === '') writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
    else throw changedMeanwhile(file);
    // The watcher would notice too; what the answer says must hold at once.
    store.reload();
    return this.current;
  }
}

function changedMeanwhile(file: string): GatewayError {
  return new GatewayError('conflict', `${file} was changed by somebody else since it was read; look at it again`, {
    param: 'version',
  });
}
