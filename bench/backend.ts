// The server behind every proxy in a measurement: a raw socket that answers without looking closely, so that it is
// never what is measured. Speaks as much HTTP as keep-alive POSTs with a Content-Length need.
// Run by itself: `node bench/backend.ts PORT`.

import { createServer, type Socket } from 'node:net';

const CHUNK_BYTES = 220;
export const CHUNKS_PER_STREAM = 200;

function padded(build: (padding: string) => string, length: number): string {
  const empty = build('');
  return build('x'.repeat(Math.max(length - empty.length, 0)));
}

const JSON_BODY = padded(
  (padding) =>
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1_760_000_000,
      model: 'bench',
      choices: [{ index: 0, message: { role: 'assistant', content: `answer ${padding}` }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 200, completion_tokens: 400, total_tokens: 600 },
    }),
  2_048,
);
const MODELS_BODY = JSON.stringify({
  object: 'list',
  data: [{ id: 'bench', object: 'model', created: 1, owned_by: 'bench' }],
});

function jsonAnswer(body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const JSON_ANSWER = jsonAnswer(JSON_BODY);
const MODELS_ANSWER = jsonAnswer(MODELS_BODY);
const STREAM_HEAD = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n',
);

function httpChunk(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
}

function event(delta: object, finish: string | null, sentAt: string): string {
  const body = (padding: string) =>
    `data: ${JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'bench',
      choices: [{ index: 0, delta, finish_reason: finish }],
      t: sentAt,
      p: padding,
    })}\n\n`;
  return padded(body, CHUNK_BYTES);
}

const LAST = httpChunk(event({}, 'stop', '0'));
const DONE = Buffer.concat([httpChunk('data: [DONE]\n\n'), Buffer.from('0\r\n\r\n')]);

/** Every chunk carries when it was written, so that whoever reads it knows how long it took. */
function contentChunk(): Buffer {
  return httpChunk(event({ content: 'word ' }, null, String(performance.timeOrigin + performance.now())));
}

const UNPACED = Buffer.concat([
  STREAM_HEAD,
  ...Array.from({ length: CHUNKS_PER_STREAM - 1 }, contentChunk),
  LAST,
  DONE,
]);

/** Streams a chunk each 10 ms. */
function pacedStream(socket: Socket): void {
  socket.write(STREAM_HEAD);
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    if (sent < CHUNKS_PER_STREAM) {
      socket.write(contentChunk());
      return;
    }
    clearInterval(timer);
    socket.write(Buffer.concat([LAST, DONE]));
  }, 10);
  socket.once('close', () => clearInterval(timer));
}

function answer(socket: Socket, head: string, body: Buffer): void {
  if (head.startsWith('GET ')) {
    socket.write(MODELS_ANSWER);
    return;
  }
  // The marker stands in the first bytes of a measured body: nothing else is looked at.
  const start = body.subarray(0, 200).toString('latin1');
  if (start.includes('"paced"')) pacedStream(socket);
  else if (start.includes('"stream":true')) socket.write(UNPACED);
  else socket.write(JSON_ANSWER);
}

/** Reads requests off one connection, one after another. */
function serve(socket: Socket): void {
  let pending: Buffer[] = [];
  let size = 0;
  let needed = 0;
  let head = '';
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    pending.push(chunk);
    size += chunk.length;
    while (size > 0 && size >= needed) {
      const all = pending.length === 1 && pending[0] ? pending[0] : Buffer.concat(pending);
      pending = [all];
      if (head === '') {
        const end = all.indexOf('\r\n\r\n');
        if (end < 0) return;
        head = all.toString('latin1', 0, end);
        needed = end + 4 + Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
        if (size < needed) return;
      }
      answer(socket, head, all.subarray(head.length + 4, needed));
      const rest = all.subarray(needed);
      pending = rest.length > 0 ? [rest] : [];
      size = rest.length;
      needed = 0;
      head = '';
    }
  });
}

if (import.meta.main) {
  const server = createServer(serve);
  server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
    const address = server.address();
    console.log(`listening on ${typeof address === 'object' && address ? address.port : ''}`);
  });
}
