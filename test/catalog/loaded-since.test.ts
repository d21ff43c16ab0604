import { expect, test } from 'vitest';
import { LoadedSince } from '../../gateway/catalog/loaded-since.ts';
import { factsOf } from '../../gateway/providers/openai-models.ts';

const list = (loaded: Readonly<Record<string, boolean | null>>) =>
  Object.entries(loaded).map(([id, isLoaded]) => factsOf(id, { isLoaded }));

test('a model is loaded since the first probe that saw it loaded, for as long as it stays so', () => {
  const since = new LoadedSince();
  since.listed(list({ a: false, b: false }), 1_000);
  since.listed(list({ a: true, b: false }), 2_000);
  since.listed(list({ a: true, b: true }), 3_000);
  expect([since.of('a'), since.of('b')]).toEqual([2_000, 3_000]);
  since.listed(list({ a: false, b: true }), 4_000);
  since.listed(list({ a: true, b: true }), 5_000);
  expect([since.of('a'), since.of('b')]).toEqual([5_000, 3_000]);
});

test('what was loaded when it was first seen, or of which nothing was known, is loaded since nobody knows when', () => {
  const since = new LoadedSince();
  since.listed(list({ a: true, b: null }), 1_000);
  since.listed(list({ a: true, b: true }), 2_000);
  expect([since.of('a'), since.of('b')]).toEqual([null, null]);
});

test('a model that was not there before was not loaded before', () => {
  const since = new LoadedSince();
  since.listed(list({}), 1_000);
  since.listed(list({ a: true }), 2_000);
  expect(since.of('a')).toBe(2_000);
});

test('after an end of its process everything is newly loaded; after mere silence nobody knows', () => {
  const since = new LoadedSince();
  since.listed(list({ a: false }), 1_000);
  since.listed(list({ a: true }), 2_000);
  since.lostSight();
  since.listed(list({ a: true }), 3_000);
  expect(since.of('a')).toBeNull();
  since.lostSight();
  since.processEnded();
  since.listed(list({ a: true }), 4_000);
  expect(since.of('a')).toBe(4_000);
});
