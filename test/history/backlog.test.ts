import { expect, test } from 'vitest';
import { Backlog, rowsPerBatch } from '../../gateway/history/backlog.ts';
import { unpackOutcomes } from '../../gateway/history/unpack.ts';
import type { Decision } from '../../gateway/types.ts';
import { decision, outcome } from './support.ts';

function fill(backlog: Backlog, rows: number): number {
  let lost = 0;
  for (let row = 0; row < rows; row++) if (backlog.add(outcome({ id: `row ${row}` }))) lost += backlog.seal(0);
  return lost + backlog.seal(0);
}

function idsIn(backlog: Backlog): string[] {
  const ids: string[] = [];
  for (let batch = backlog.first(); batch; batch = backlog.first()) {
    ids.push(...unpackOutcomes(batch.outcomes).outcomes.map(({ id }) => id));
    backlog.drop(batch.number);
  }
  return ids;
}

test('a batch is full at 256 rows', () => {
  const backlog = new Backlog();
  for (let row = 1; row < rowsPerBatch; row++) expect(backlog.add(outcome())).toBe(false);
  expect(backlog.add(outcome())).toBe(true);
});

test('at most 10,000 rows are held: the oldest go first, are counted, and the one being written is spared', () => {
  const backlog = new Backlog();
  const lost = fill(backlog, 12_000);
  const ids = idsIn(backlog);
  expect(ids.length).toBeLessThanOrEqual(10_000);
  expect(ids.length).toBeGreaterThan(9_500);
  expect(lost + ids.length).toBe(12_000);
  expect(ids[0]).toBe('row 0');
  expect(ids[rowsPerBatch]).toBe(`row ${rowsPerBatch + lost}`);
  expect(ids.at(-1)).toBe('row 11999');
});

test('long decisions are held by their size, not by their number', () => {
  const candidates = Array.from({ length: 1_000 }, (_, index) => ({
    ...decision.candidates[index % 2],
    model: `m${index}`,
  }));
  const backlog = new Backlog();
  let lost = 0;
  for (let row = 0; row < 1_000; row++) {
    // Equal ones would be held once.
    const long = { ...decision, candidates, considered: row } as Decision;
    if (backlog.add(outcome({ decision: long }))) lost += backlog.seal(0);
  }
  lost += backlog.seal(0);
  expect(lost).toBeGreaterThan(500);
  expect(idsIn(backlog).length).toBe(1_000 - lost);
});

test('a transition alone makes a batch', () => {
  const backlog = new Backlog();
  backlog.addNote('transitions', { atMs: 1, provider: 'ollama', before: 'ready', after: 'down', cause: null });
  expect(backlog.seal(0)).toBe(0);
  expect(backlog.first()?.transitions).toHaveLength(1);
  expect(backlog.first()?.outcomes.count).toBe(0);
});

test('only the batch that was written is taken out', () => {
  const backlog = new Backlog();
  fill(backlog, 300);
  expect(backlog.drop(2)).toBe(0);
  expect(backlog.drop(1)).toBe(rowsPerBatch);
  expect(backlog.first()?.number).toBe(2);
});
