// What gateways with this data folder have remembered.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseState, type SavedState } from '../catalog/saved-state.ts';

/** What `state.json` holds, or null. It is read and left as it is, whatever is wrong with it. */
export function keptState(dataFolder: string): SavedState | null {
  try {
    const parsed = parseState(readFileSync(join(dataFolder, 'state.json'), 'utf8'));
    return parsed.is === 'read' ? parsed.state : null;
  } catch {
    return null;
  }
}
