// What the rules have to know of model names, put together from those who know it.

import { identify, nearestNames, sameModel } from './catalog/identity.ts';
import { adapters } from './providers/index.ts';
import { parseModelName } from './providers/model-name.ts';
import type { Naming } from './routing/naming.ts';

export const naming: Naming = {
  isSameName: (kind, a, b) => adapters[kind].isSameName(a, b),
  identify,
  likeness: sameModel,
  sizeInName: (name) => parseModelName(name).size,
  nearestNames: (name, known) => nearestNames(name, known),
};
