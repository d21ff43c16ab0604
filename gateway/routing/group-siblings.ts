// Groups that differ in name only: primary and backup, regions, tiers of one model.

import type { ModelGroup } from '../config/settings.ts';
import type { Identity, Naming } from './naming.ts';

interface Member {
  readonly group: string;
  readonly identity: Identity;
}

/**
 * Finds for each group (wildcards aside) the others that serve the same model, in the order of the file.
 * @returns by group name; groups that stand alone are absent
 */
export function groupSiblings(groups: readonly ModelGroup[], naming: Naming): ReadonlyMap<string, readonly string[]> {
  const families = new Map<string, Member[]>();
  for (const { name, isWildcard, deployments } of groups) {
    if (isWildcard) continue;
    for (const { model } of deployments) {
      const identity = naming.identify(model, null);
      if (identity.family === null) continue;
      families.set(identity.family, [...(families.get(identity.family) ?? []), { group: name, identity }]);
    }
  }
  const siblings = new Map<string, readonly string[]>();
  for (const members of families.values()) {
    for (const member of members) {
      const others = members.filter(
        (other) => other.group !== member.group && naming.likeness(member.identity, other.identity) === 'same',
      );
      if (others.length === 0) continue;
      const known = siblings.get(member.group) ?? [];
      siblings.set(member.group, [...new Set([...known, ...others.map(({ group }) => group)])]);
    }
  }
  return siblings;
}
