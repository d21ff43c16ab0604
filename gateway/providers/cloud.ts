// A vendor's service that a `model_list` entry names. It is never probed; a way to call it does not exist yet.

import { onlyState } from './findings.ts';
import type { ProviderAdapter } from './provider.ts';
import { classifyRefusal } from './refusal.ts';

export const cloud: ProviderAdapter = {
  kind: 'cloud',
  paths: {},
  keepAliveMs: 4_000,
  quirks: {
    needsMaxTokens: false,
    needsSystemRole: false,
    needsPlainTextContent: false,
    mayIgnoreBase64: false,
    refuses: [],
  },
  cutsLongPrompts: () => false,
  defaultMaxParallelRequests: () => null,
  defaultIdleMs: () => 120_000,
  authHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
  /** Asks nothing: its state is what requests find. */
  probe: () => Promise.resolve(onlyState('ready', null, { isSingleModel: false, loadsOnDemand: false })),
  classify: (refusal) => classifyRefusal(refusal, []),
  modelControl: () => ({ because: "a vendor's models are not ours to load or unload" }),
  isSameName: (a, b) => a === b,
};
