// What a client gets of an answer whose length nobody knew at its beginning, byte by byte.

import { createServer, get, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ClientReply } from '../../gateway/dispatch/exchange.ts';

/** Serves with `answer` and hands the port to `ask`. */
async function serving<Result>(
  answer: (reply: ClientReply, response: ServerResponse) => void,
  ask: (port: number) => Promise<Result>,
): Promise<Result> {
  const server = createServer((_request, response) => answer(new ClientReply(response), response));
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    return await ask((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
}

/** All bytes the server sends to that request, until it ends the connection or the bytes end as told. */
function raw(port: number, request: string, end = '\r\n0\r\n\r\n'): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.endsWith(end)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}

/** As node's own client reads it. */
function read(
  port: number,
  headers: Record<string, string> = {},
): Promise<{ head: NodeJS.Dict<unknown>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ head: response.headers, body: Buffer.concat(chunks) }));
    }).on('error', reject);
  });
}

const HEAD = ['content-type', 'text/event-stream'];

test('pieces of any length come out as they went in, whatever was written at once', async () => {
  const lengths = fc.array(fc.constantFrom(0, 1, 15, 16, 220, 4_095, 16_383, 16_384, 16_385, 70_000), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(lengths, fc.boolean(), async (sizes, isSlow) => {
      const pieces = sizes.map((size, index) => Buffer.alloc(size, 65 + index));
      const answer = async (reply: ClientReply): Promise<void> => {
        reply.commit(200, HEAD);
        for (const piece of pieces) {
          reply.write(piece);
          if (isSlow) await new Promise((resolve) => setImmediate(resolve));
        }
        reply.end();
        expect(reply.bytesOut).toBe(sizes.reduce<number>((sum, size) => sum + size, 0));
      };
      const { head, body } = await serving(
        (reply) => void answer(reply),
        (port) => read(port),
      );
      expect(body.equals(Buffer.concat(pieces))).toBe(true);
      expect(head['transfer-encoding']).toBe('chunked');
    }),
    { numRuns: 40 },
  );
});

test('each piece is a chunk, and the connection is kept', async () => {
  const answer = (reply: ClientReply): void => {
    reply.commit(200, HEAD);
    reply.write(Buffer.from('data: é\n\n'));
    reply.write(Buffer.from('data: [DONE]\n\n'));
    reply.end();
  };
  const text = await serving(answer, (port) => raw(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  const [head = '', body] = text.split(/\r\n\r\n(.*)/s);
  expect(Buffer.from(body ?? '', 'latin1').toString()).toBe('a\r\ndata: é\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n');
  expect(head.match(/transfer-encoding/gi)).toHaveLength(1);
  expect(head).toMatch(/connection: keep-alive/i);
});

test('a client of HTTP/1.0 gets the bytes alone and the end of the connection', async () => {
  const answer = (reply: ClientReply): void => {
    reply.commit(200, HEAD);
    reply.write(Buffer.from('one'));
    reply.end();
  };
  const text = await serving(answer, (port) => raw(port, 'GET / HTTP/1.0\r\n\r\n'));
  expect(text).toMatch(/\r\n\r\none$/);
  expect(text).not.toMatch(/transfer-encoding/i);
});

test('an answer without a body has no chunks', async () => {
  const answer = (reply: ClientReply): void => {
    reply.commit(204, []);
    reply.end();
  };
  const text = await serving(answer, (port) => raw(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', '\r\n\r\n'));
  expect(text).toMatch(/^HTTP\/1.1 204/);
  expect(text).not.toMatch(/transfer-encoding/i);
});

test('headers that were set before stay beside it', async () => {
  const answer = (reply: ClientReply, response: ServerResponse): void => {
    response.setHeader('vary', 'Origin');
    reply.commit(200, HEAD);
    reply.write(Buffer.from('x'));
    reply.end();
  };
  const { head, body } = await serving(answer, (port) => read(port));
  expect(head).toMatchObject({ vary: 'Origin', 'transfer-encoding': 'chunked', 'content-type': 'text/event-stream' });
  expect(body.toString()).toBe('x');
});

test('an early opening, its fillers and an error after them are chunks as well', async () => {
  const answer = (reply: ClientReply): void => {
    reply.openEarly(HEAD, ': wait\n\n');
    reply.filler(': é\n\n');
    reply.commit(200, HEAD);
    reply.write(Buffer.from('data: 1\n\n'));
    reply.end('data: {"error":"broke"}\n\n');
    expect(reply.bytesOut).toBe(': wait\n\n: é\n\n'.length + 1 + 'data: 1\n\ndata: {"error":"broke"}\n\n'.length);
  };
  const { body } = await serving(answer, (port) => read(port));
  expect(body.toString()).toBe(': wait\n\n: é\n\ndata: 1\n\ndata: {"error":"broke"}\n\n');
});

test('an answer that is cut off has no last chunk', async () => {
  const answer = (reply: ClientReply): void => {
    reply.commit(200, HEAD);
    reply.write(Buffer.from('half'));
    setImmediate(() => reply.cutOff());
  };
  const text = await serving(answer, (port) => raw(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  expect(text).toMatch(/4\r\nhalf\r\n$/);
});
