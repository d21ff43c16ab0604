import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Packer } from '../../gateway/history/pack.ts';
import { unpackOutcomes } from '../../gateway/history/unpack.ts';
import type { Attempt, Candidate, Decision, Outcome } from '../../gateway/types.ts';
import { outcome } from './support.ts';

const text = fc.string({ unit: 'binary', maxLength: 12 });
const textOrNull = fc.option(text, { nil: null });
const ms = fc.double({ noNaN: true, min: 0, max: 1e15 });
const msOrNull = fc.option(ms, { nil: null });

const attempt: fc.Arbitrary<Attempt> = fc.record({
  provider: text,
  model: text,
  via: text,
  because: textOrNull,
  variant: textOrNull,
  startedAtMs: ms,
  failure: fc.option(
    fc.record({
      kind: fc.constantFrom('broken', 'timeout_idle'),
      message: text,
      status: msOrNull,
      retryAfterMs: msOrNull,
    }),
    { nil: null },
  ),
  status: msOrNull,
  headersAfterMs: msOrNull,
  contentAfterMs: msOrNull,
  endedAfterMs: ms,
  isCold: fc.boolean(),
  changes: fc.array(text, { maxLength: 3 }),
});

const candidate: fc.Arbitrary<Candidate> = fc.record({
  provider: text,
  model: text,
  place: fc.constantFrom('local', 'cloud'),
  source: fc.constantFrom('rule', 'alias', null),
  kept: fc.boolean(),
  reason: fc.constantFrom('down', 'lacks_vision', null),
  order: fc.option(fc.nat(), { nil: null }),
  terms: fc.dictionary(
    fc.string({ minLength: 1 }),
    fc.double({ noNaN: true }).map((value) => value + 0),
    { noNullPrototype: true, maxKeys: 4 },
  ),
  via: text,
  notes: fc.array(text, { maxLength: 2 }),
});

const decision: fc.Arbitrary<Decision> = fc.record({
  rule: textOrNull,
  model: textOrNull,
  candidates: fc.array(candidate, { maxLength: 4 }),
  steps: fc.array(fc.record({ step: text, result: fc.constantFrom('matched', 'skipped'), why: text }), {
    maxLength: 4,
  }),
  considered: fc.nat(),
  error: fc.option(
    fc.record({ code: fc.constantFrom('rate_limited', 'model_not_found'), message: text, retryAfterSeconds: msOrNull }),
    { nil: null },
  ),
});

const anyOutcome: fc.Arbitrary<Outcome> = fc
  .record({
    id: text,
    client: text,
    requestedModel: textOrNull,
    rule: textOrNull,
    provider: textOrNull,
    model: textOrNull,
    errorMessage: textOrNull,
    durationMs: ms,
    firstContentMs: msOrNull,
    isStream: fc.boolean(),
    isOpenedEarly: fc.boolean(),
    variant: textOrNull,
    cache: fc.constantFrom('hit', 'stored', null),
    attempts: fc.array(attempt, { maxLength: 3 }),
    warnings: fc.array(text, { maxLength: 3 }),
    decision: fc.option(decision, { nil: null }),
  })
  .map((changes) => outcome(changes));

function unpacked(packer: Packer): Outcome[] {
  const { outcomes, decisions } = unpackOutcomes(structuredClone(packer.finish()));
  return outcomes.map(({ decisionLine, basis: _basis, ...outcome }) => {
    const text = decisions[decisionLine];
    return { ...outcome, decision: text === undefined ? null : (JSON.parse(text) as Decision) };
  });
}

function roundTrip(outcomes: readonly Outcome[]): Outcome[] {
  const packer = new Packer();
  for (const one of outcomes) packer.add(one);
  return unpacked(packer);
}

test('what is packed comes out equal in every field', () => {
  fc.assert(
    fc.property(fc.array(anyOutcome, { maxLength: 8 }), (outcomes) => {
      expect(roundTrip(outcomes)).toEqual(outcomes);
    }),
  );
});

test('a packer can be used again after it gave its content away', () => {
  const packer = new Packer();
  const [first, second] = [outcome(), outcome({ client: 'another' })];
  packer.add(first);
  packer.finish();
  packer.add(second);
  expect(packer.count).toBe(1);
  expect(unpacked(packer)).toEqual([second]);
});

test('equal decisions are packed once', () => {
  const packer = new Packer();
  const alike = (): Outcome => outcome({ decision: structuredClone(outcome().decision) });
  const other = outcome({ decision: { ...outcome().decision, considered: 1 } as Decision });
  for (const one of [alike(), other, alike()]) packer.add(one);
  const { outcomes, decisions } = unpackOutcomes(packer.finish());
  expect(outcomes.map(({ decisionLine }) => decisionLine)).toEqual([0, 1, 0]);
  expect(decisions).toHaveLength(2);
});

test('a decision is one line of JSON whatever its words are', () => {
  const packer = new Packer();
  packer.add(outcome({ decision: { ...(outcome().decision as Decision), rule: 'two\nlines "quoted" \u2028' } }));
  const [text = ''] = unpackOutcomes(packer.finish()).decisions;
  expect(text).not.toContain('\n');
  expect(JSON.parse(text)).toMatchObject({ rule: 'two\nlines "quoted" \u2028' });
});

test('a batch larger than the first room is whole', () => {
  const many = Array.from({ length: 1_000 }, () => outcome());
  expect(roundTrip(many)).toEqual(many);
});
