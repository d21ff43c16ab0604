import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { requestId } from '../../gateway/http/request-id.ts';

describe('names of requests', () => {
  test('are UUIDs of version 7', () => {
    const time = fc.integer({ min: 0, max: 2 ** 47 });
    fc.assert(
      fc.property(time, (nowMs) => {
        const id = requestId(nowMs);
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(nowMs);
      }),
    );
  });

  test('sort by time', () => {
    const ids = [1, 1_000, 1_763_000_000_000, 1_763_000_000_001].map((nowMs) => requestId(nowMs));
    expect([...ids].sort()).toEqual(ids);
  });

  test('differ within one millisecond', () => {
    expect(new Set(Array.from({ length: 1_000 }, () => requestId(5)))).toHaveProperty('size', 1_000);
  });
});
