// What the client receives is what the server sent, byte for byte, however it was cut on its way.

import { Pool } from 'undici';
import { expect, test } from 'vitest';
import {
  bodyOf,
  completeStreams,
  headerOf,
  listRecordings,
  type RecordedServer,
  type Recording,
} from '../backends/recordings.ts';
import { cut, endpointOf, kindOfServer, type Play, playingFrom } from './played.ts';
import { MODEL, startProvider } from './provider.ts';
import { inFrontOf, inParallel, requestFor } from './support.ts';

/** Streams up to this length are cut at every position, one exchange each. */
const SHORT_BYTES = 1_250;
/** Up to this length every byte also travels alone. */
const DRIPPED_BYTES = 15_000;
const SAMPLED_CUTS = 12;
const AT_ONCE = 8;

/** A repeatable sample of offsets, by a linear congruential generator seeded with the length. */
function sample(length: number, count: number): number[] {
  let seed = length;
  return Array.from({ length: count }, () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % length;
  });
}

function lineBorders(body: Buffer): number[] {
  return [...body.keys()].filter((index) => body[index] === 10).map((index) => index + 1);
}

/** Each entry: the offsets at which the body is cut in one exchange. */
function cutsOf(body: Buffer, isStream: boolean): number[][] {
  const everyByte = [...body.keys()];
  const dripped = body.length <= DRIPPED_BYTES ? [everyByte] : [];
  if (!isStream) return [[], ...dripped, ...sample(body.length, 3).map((at) => [at])];
  const singles = body.length <= SHORT_BYTES ? everyByte : sample(body.length, SAMPLED_CUTS);
  const borders = lineBorders(body);
  const shifted = [-2, -1, 0, 1].map((shift) => borders.map((border) => border + shift));
  return [[], ...shifted, ...dripped, ...singles.map((at) => [at])];
}

function playsOf(recordings: readonly Recording[], isStream: boolean): Play[] {
  return recordings.flatMap((recording) => {
    const body = Buffer.from(bodyOf(recording));
    return cutsOf(body, isStream).map((offsets) => ({ recording, pieces: cut(body, offsets) }));
  });
}

const streams = completeStreams().filter((recording) => endpointOf(recording) !== null);

/** Answers of which a JSON object is the whole body. */
const objects = listRecordings((recording) => {
  const { status, end, isShortened } = recording.response;
  const isJson = headerOf(recording, 'content-type')?.startsWith('application/json') === true;
  const isWhole = status === 200 && end === 'complete' && !isShortened;
  // An empty body and a finish reason `abort` make an answer a broken one, however well its head looks.
  const body = bodyOf(recording);
  const isAnswer = body !== '' && !/"finish_reason": ?"abort"/.test(body);
  return isWhole && isJson && isAnswer && endpointOf(recording) !== null;
});

/** Plays all of them through a gateway; returns what did not come out as it went in. */
async function differences(server: RecordedServer, isStream: boolean, recordings: readonly Recording[]) {
  const plays = playsOf(recordings, isStream);
  await using provider = await startProvider(playingFrom(plays), { kind: kindOfServer[server] });
  await using gateway = await inFrontOf([provider], { extra: ['max_parallel_requests: 64'] });
  const pool = new Pool(gateway.url, { connections: AT_ONCE });
  const wrong = new Map<string, string>();
  await inParallel([...plays.entries()], AT_ONCE, async ([index, { recording, pieces }]) => {
    const endpoint = endpointOf(recording);
    if (endpoint === null) return;
    const body = JSON.stringify({ ...requestFor(endpoint, isStream, MODEL), play: index });
    const path = recording.request.path;
    const answer = await pool.request({ method: 'POST', path, body, headers: { 'content-type': 'application/json' } });
    // An answer that breaks off rejects here: what arrives is whole by HTTP's own measure.
    const received = Buffer.from(await answer.body.arrayBuffer());
    const type = headerOf(recording, 'content-type');
    const isSame = received.equals(Buffer.concat(pieces)) && answer.headers['content-type'] === type;
    if (answer.statusCode !== 200 || !isSame) {
      wrong.set(recording.name, `${pieces.length} pieces: ${answer.statusCode} ${received.toString().slice(0, 300)}`);
    }
  });
  await pool.close();
  return { wrong: Object.fromEntries(wrong), count: plays.length };
}

const servers: readonly RecordedServer[] = ['ollama', 'vllm', 'llama-server', 'llama-cpp-python'];

test('the recordings cover all servers and every endpoint that a local server streams', () => {
  expect(streams.length).toBeGreaterThan(60);
  expect(objects.length).toBeGreaterThan(100);
  expect(new Set(streams.map(endpointOf))).toEqual(
    new Set(['chat', 'completions', 'responses', 'messages', 'ollama_chat', 'ollama_generate']),
  );
});

test.each(servers)('%s: every recorded complete stream comes out as it went in, wherever it is cut', async (server) => {
  const { wrong, count } = await differences(
    server,
    true,
    streams.filter((recording) => recording.server === server),
  );
  expect(wrong).toEqual({});
  expect(count).toBeGreaterThan(100);
});

test.each(servers)('%s: every recorded JSON answer comes out as it went in, wherever it is cut', async (server) => {
  const { wrong, count } = await differences(
    server,
    false,
    objects.filter((recording) => recording.server === server),
  );
  expect(wrong).toEqual({});
  expect(count).toBeGreaterThan(100);
});
