import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerRecorder } from '../../gateway/dispatch/answer-recorder.ts';
import { HeldBytes } from '../../gateway/dispatch/held-bytes.ts';

const KILOBYTE = 1_024;

describe('recording an answer', () => {
  test('what was added comes out in one piece, in memory of its own', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 3_000, size: 'max' }), {
      minLength: 1,
      maxLength: 20,
      size: 'max',
    });
    fc.assert(
      fc.property(pieces, (chunks) => {
        const held = new HeldBytes(KILOBYTE * KILOBYTE);
        const recorder = new AnswerRecorder(held, KILOBYTE * KILOBYTE);
        recorder.begin(200, []);
        for (const chunk of chunks) recorder.add(chunk);
        const body = recorder.answer()?.body;
        expect(body?.equals(Buffer.concat(chunks))).toBe(true);
        expect(body?.buffer.byteLength).toBe(body?.length);
        // Room grows by doubling.
        expect(held.held).toBeLessThanOrEqual(2 * Math.max(body?.length ?? 0, 4 * KILOBYTE));
        recorder.release();
        expect(held.held).toBe(0);
      }),
    );
  });

  test('what was added may be overwritten afterwards', () => {
    const recorder = new AnswerRecorder(new HeldBytes(KILOBYTE * 8), KILOBYTE * 8);
    const piece = Buffer.from('abc');
    recorder.begin(200, []);
    recorder.add(piece);
    piece.fill('x');
    expect(recorder.answer()?.body.toString()).toBe('abc');
  });

  test('past the bound for one it lets go of everything and takes no more', () => {
    const held = new HeldBytes(KILOBYTE * KILOBYTE);
    const recorder = new AnswerRecorder(held, 10 * KILOBYTE);
    recorder.begin(200, []);
    recorder.add(Buffer.alloc(10 * KILOBYTE));
    expect(recorder.answer()?.body.length).toBe(10 * KILOBYTE);
    recorder.add(Buffer.alloc(1));
    expect(held.held).toBe(0);
    recorder.add(Buffer.alloc(1));
    expect(held.held).toBe(0);
    expect(recorder.answer()).toBeNull();
  });

  test('all together never hold more than their bound, and what one gives back another can have', () => {
    const held = new HeldBytes(64 * KILOBYTE);
    const recorders = Array.from({ length: 10 }, () => new AnswerRecorder(held, 32 * KILOBYTE));
    for (const recorder of recorders) {
      recorder.begin(200, []);
      recorder.add(Buffer.alloc(20 * KILOBYTE));
      expect(held.held).toBeLessThanOrEqual(64 * KILOBYTE);
    }
    expect(recorders.map((recorder) => recorder.answer() !== null)).toEqual([
      ...[true, true, true],
      ...Array.from({ length: 7 }, () => false),
    ]);
    for (const recorder of recorders) recorder.release();
    expect(held.held).toBe(0);
    const next = new AnswerRecorder(held, 32 * KILOBYTE);
    next.begin(200, []);
    next.add(Buffer.alloc(20 * KILOBYTE));
    expect(next.answer()).not.toBeNull();
  });

  test('an answer of which nothing was sent, or that was stopped, is none', () => {
    const recorder = new AnswerRecorder(new HeldBytes(KILOBYTE * 8), KILOBYTE * 8);
    expect(recorder.answer()).toBeNull();
    recorder.begin(200, []);
    expect(recorder.answer()).toBeNull();
    recorder.add(Buffer.from('a'));
    recorder.stop();
    expect(recorder.answer()).toBeNull();
  });

  test('headers of this one request, and those that grow old, are left out', () => {
    const recorder = new AnswerRecorder(new HeldBytes(KILOBYTE * 8), KILOBYTE * 8);
    const own = [
      'x-request-id',
      '7',
      'x-switchyard-provider',
      'p1',
      'server-timing',
      'total;dur=1',
      'content-length',
      '1',
    ];
    const old = ['date', 'today', 'age', '4', 'x-ratelimit-remaining-requests', '3', 'retry-after', '1'];
    recorder.begin(200, [...own, 'content-type', 'application/json', ...old, 'x-vendor', 'a', 'x-vendor', 'b']);
    recorder.add(Buffer.from('{}'));
    expect(recorder.answer()?.headers).toEqual(['content-type', 'application/json', 'x-vendor', 'a', 'x-vendor', 'b']);
  });
});
