import { expect, test } from 'vitest';
import { shareOf } from '../../gateway/routing/share.ts';
import { settingsOf } from '../config/support.ts';
import { deployment, model, provider } from './worlds.ts';

const configuration = `
providers:
  a: { kind: ollama, base_url: "http://127.0.0.1:11434", rpm: 90, models: { m: { rpm: 30, weight: 3, input_cost_per_token: 2 } } }
model_list:
  - { model_name: m, rpm: 10, tpm: 20, priority: 5 }
  - { model_name: upstream, weight: 7 }
`;

function share(changes: {
  readonly model: string;
  readonly aliases?: readonly string[];
  readonly name?: string | null;
  readonly entry?: ReturnType<typeof deployment>;
}) {
  const entry = changes.entry ?? null;
  const target = entry === null ? null : { provider: 'a', model: entry.model, deployment: entry, weight: entry.weight };
  const facts = model(changes.model, { aliases: changes.aliases ?? [] });
  const proposal = { provider: provider('a'), model: changes.model, facts, target };
  return shareOf(settingsOf(configuration), proposal, changes.name ?? null);
}

test('each limit is taken from the first place that says something', () => {
  expect(share({ model: 'm', name: 'm', entry: deployment('a', 'm', { rpm: 1 }) })).toMatchObject({ rpm: 1, tpm: 20 });
  expect(share({ model: 'm', name: 'm' })).toMatchObject({ rpm: 30, tpm: 20, weight: 3, priority: 5 });
  expect(share({ model: 'x', name: 'm' })).toMatchObject({ rpm: 10, tpm: 20, weight: null });
  expect(share({ model: 'x', name: 'x' })).toMatchObject({ rpm: 90, tpm: null, priority: 0 });
});

test('what is said of a name holds for the model of that name too, unless the name asked for says something', () => {
  expect(share({ model: 'upstream', name: 'other' })).toMatchObject({ weight: 7, rpm: 90 });
  expect(share({ model: 'upstream', name: null })).toMatchObject({ weight: 7 });
  expect(share({ model: 'upstream', name: 'm' })).toMatchObject({ weight: null, rpm: 10 });
});

test('a declared model is found under another spelling of its name', () => {
  const declared = { weight: 3, rpm: 30, inputCostPerToken: 2 };
  expect(share({ model: 'm:latest', aliases: ['other', 'm'], name: 'x' })).toMatchObject(declared);
  expect(share({ model: 'm:7b', aliases: ['other'], name: 'x' })).toMatchObject({
    weight: null,
    inputCostPerToken: null,
  });
});
