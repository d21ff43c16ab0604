// What the tests of the stand-ins ask, and how they leave.

import { expect } from 'vitest';
import { post, readStream, type StreamAnswer, send } from '../support/http.ts';

export const words = Array.from({ length: 40 }, (_none, index) => ` w${index}`);
export const slow = { models: ['m'], answer: words, tokenDelayMs: 10 };
export const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
export const chat = (url: string, more: object = {}) => post(`${url}/v1/chat/completions`, { ...body, ...more });
export const contentsOf = (text: string) => [...text.matchAll(/"content": ?"([^"]+)"/g)].map(([, content]) => content);

/** A stream that has brought its first content and goes on. */
export async function running(
  url: string,
  more: object = {},
  path = '/v1/chat/completions',
): Promise<{ readonly whole: Promise<StreamAnswer>; leave: () => void }> {
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const leaving = new AbortController();
  const whole = readStream(url + path, {
    body: { ...body, stream: true, ...more },
    signal: leaving.signal,
    onArrival: (_arrival, soFar) => {
      if (contentsOf(Buffer.concat(soFar.map(({ bytes }) => bytes)).toString()).length > 0) resolve();
      return true;
    },
  });
  await Promise.race([begun, whole]);
  return { whole, leave: () => leaving.abort() };
}

export async function chatAborted(url: string): Promise<void> {
  await expect(send(url, { method: 'POST', body, signal: AbortSignal.timeout(30) })).rejects.toThrow();
}
