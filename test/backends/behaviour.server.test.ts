import { describe, expect, test } from 'vitest';
import { post, readStream, send } from '../support/http.ts';
import { body, chat, chatAborted, contentsOf, running, slow, words } from './asking.ts';
import { startLlamaCppPython } from './llama-cpp-python.ts';
import { startLlamaRouter } from './llama-router.ts';
import { startLlamaServer } from './llama-server.ts';
import { startOllama } from './ollama.ts';

describe('Ollama', () => {
  const loaded = async (url: string) => (await send(`${url}/api/ps`)).text;

  test('a model is cold, loads when asked for, is warm, and goes when nobody asked for a while', async () => {
    await using server = await startOllama({ models: ['m'], loadDelayMs: 400, answer: 'x' });
    expect(server.stateOf('m')).toBe('cold');
    const first = chat(server.url);
    await expect.poll(() => server.stateOf('m'), { interval: 5 }).toBe('loading');
    expect(await loaded(server.url)).toBe('{"models":[]}');
    await first;
    expect(server.stateOf('m')).toBe('warm');
    expect(await loaded(server.url)).toContain('"name":"m:latest"');
    await post(`${server.url}/api/generate`, { model: 'm', keep_alive: '30ms' });
    await expect.poll(() => server.stateOf('m')).toBe('cold');
  });

  test('not a byte is sent before the first token, loading included', async () => {
    await using server = await startOllama({ ...slow, loadDelayMs: 80 });
    const answer = await readStream(`${server.url}/v1/chat/completions`, { body: { ...body, stream: true } });
    expect(answer.headersAfterMs).toBeGreaterThan(75);
  });

  test('a client that leaves during the load takes the load with it', async () => {
    await using server = await startOllama({ models: ['m'], loadDelayMs: 5_000 });
    await chatAborted(`${server.url}/v1/chat/completions`);
    await expect.poll(() => server.stateOf('m')).toBe('cold');
  });

  test('the queue is only for what has to be loaded', async () => {
    await using server = await startOllama({ models: ['m'], answer: 'x', loadDelayMs: 40, maxQueue: 1 });
    const cold = await Promise.all([1, 2, 3, 4, 5, 6].map(() => chat(server.url)));
    expect(cold.map(({ status }) => status).sort()).toEqual([200, 200, 503, 503, 503, 503]);
    const warm = await Promise.all([1, 2, 3, 4, 5, 6].map(() => chat(server.url)));
    expect(warm.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
  });

  test('one model makes room for another only when it is idle', async () => {
    await using server = await startOllama({ ...slow, models: ['m', 'other'], maxLoadedModels: 1 });
    const { whole } = await running(server.url);
    const other = chat(server.url, { model: 'other', max_tokens: 1 });
    expect(contentsOf((await whole).text)).toEqual(words);
    expect((await other).status).toBe(200);
    expect(server.stateOf('m')).toBe('cold');
  });

  test('keep_alive 0 unloads at once, or when the running answer is done', async () => {
    await using server = await startOllama(slow);
    const { whole } = await running(server.url);
    const unload = await post(`${server.url}/api/generate`, { model: 'm', keep_alive: 0 });
    expect(unload.text).toContain('"done_reason":"unload"');
    expect(server.stateOf('m')).toBe('warm');
    expect(contentsOf((await whole).text)).toEqual(words);
    expect(server.stateOf('m')).toBe('cold');
  });

  test('another context loads the model again', async () => {
    await using server = await startOllama({ models: ['m'], answer: 'x' });
    await post(`${server.url}/api/chat`, { ...body, options: { num_ctx: 512 } });
    expect(await loaded(server.url)).toContain('"context_length":512');
    await chat(server.url);
    expect(await loaded(server.url)).toContain('"context_length":4096');
  });

  test('a prompt that is too long is cut to the context without a word', async () => {
    await using server = await startOllama({ models: ['m'], contextLength: 100, answer: 'x' });
    const long = { messages: [{ role: 'user', content: 'long '.repeat(400) }] };
    expect((await chat(server.url, long)).json).toMatchObject({ usage: { prompt_tokens: 100 } });
    const strict = await post(`${server.url}/api/chat`, { model: 'm', ...long, truncate: false, stream: false });
    expect([strict.status, strict.text]).toEqual([400, '{"error":"the input length exceeds the context length"}']);
  });

  test('a crashed runner ends streams properly and without an error, as recorded; the next request loads again', async () => {
    await using server = await startOllama(slow);
    const { whole } = await running(server.url);
    server.crashRunner('m');
    const answer = await whole;
    expect(answer.isComplete).toBe(true);
    expect(answer.text).toContain('"model":""');
    expect(answer.text).not.toContain('[DONE]');
    expect(server.stateOf('m')).toBe('cold');
    expect((await chat(server.url, { max_tokens: 1 })).status).toBe(200);
  });

  test('tools make a call where the model has them, in each protocol', async () => {
    await using server = await startOllama({ models: ['m'], toolCall: 'first' });
    const parameters = { type: 'object', properties: { on: { type: 'boolean' } }, required: ['on'] };
    const tools = [{ type: 'function', function: { name: 'look', parameters } }];
    expect((await chat(server.url, { tools })).json).toMatchObject({
      choices: [
        {
          finish_reason: 'tool_calls',
          message: { tool_calls: [{ function: { name: 'look', arguments: '{"on":false}' } }] },
        },
      ],
    });
    const native = await post(`${server.url}/api/chat`, { ...body, tools, stream: false });
    expect(native.json).toMatchObject({
      message: { tool_calls: [{ function: { name: 'look', arguments: { on: false } } }] },
    });
  });
});

describe('llama-server', () => {
  test('everything is 503 while it loads, and nothing is when it is ready', async () => {
    await using server = await startLlamaServer({ ...slow, loadDelayMs: 60_000 });
    expect((await send(`${server.url}/health`)).status).toBe(503);
    server.setLoading(false);
    expect((await send(`${server.url}/health`)).status).toBe(200);
  });

  test('a full server makes others wait without a byte; the slots and the metrics tell', async () => {
    await using server = await startLlamaServer({ ...slow, slots: 1 });
    const first = await running(server.url);
    const second = readStream(`${server.url}/v1/chat/completions`, { body: { ...body, stream: true } });
    await expect.poll(async () => (await send(`${server.url}/metrics`)).text).toContain('requests_deferred 1');
    expect((await send(`${server.url}/slots?fail_on_no_slot=1`)).status).toBe(503);
    expect((await send(`${server.url}/slots`)).text).toContain('"is_processing":true');
    const [one, two] = await Promise.all([first.whole, second]);
    expect(two.headersAfterMs).toBeGreaterThan(100);
    expect([contentsOf(one.text).length, contentsOf(two.text).length]).toEqual([40, 40]);
  });

  test('slots that share one cache overflow together', async () => {
    await using server = await startLlamaServer({ ...slow, contextLength: 120 });
    const long = { messages: [{ role: 'user', content: 'long '.repeat(40) }] };
    const all = await Promise.all([running(server.url, long).then(({ whole }) => whole), chat(server.url, long)]);
    expect(all[0].text).toContain('Context size has been exceeded.');
    expect([all[0].isComplete, all[0].text.includes('[DONE]'), all[1].status]).toEqual([true, false, 500]);
  });

  test('comments come while the prompt is worked on', async () => {
    await using server = await startLlamaServer({ ...slow, prefillDelayMs: 70, pingIntervalMs: 20 });
    const { text } = await chat(server.url, { stream: true, max_tokens: 1 });
    expect(text.startsWith(':\n\n:\n\n')).toBe(true);
  });

  test('a stream stops when its client leaves; without a stream it takes a quiet while', async () => {
    await using server = await startLlamaServer({ ...slow, tokenDelayMs: 60_000, quietBeforeLeaveMs: 500 });
    const stream = await running(server.url);
    stream.leave();
    await stream.whole;
    const busy = async () => (await send(`${server.url}/metrics`)).text.includes('requests_processing 1');
    await expect.poll(busy).toBe(false);
    await chatAborted(`${server.url}/v1/chat/completions`);
    expect(await busy()).toBe(true);
    await expect.poll(busy).toBe(false);
  });

  test('a sleeping server tells of it, and a request wakes it', async () => {
    await using server = await startLlamaServer({ models: ['m'], sleepIdleMs: 600 });
    await expect.poll(() => server.isAsleep, { timeout: 5_000 }).toBe(true);
    expect((await send(`${server.url}/props`)).text).toContain('"is_sleeping":true');
    await chat(server.url);
    expect((await send(`${server.url}/props`)).text).toContain('"is_sleeping":false');
  });

  test('several choices of one stream take turns, and each has its finish', async () => {
    await using server = await startLlamaServer({ models: ['m'], answer: ['a', 'b'] });
    const { text } = await chat(server.url, { stream: true, n: 2 });
    expect([...text.matchAll(/"finish_reason":"stop","index":(\d)/g)].map(([, index]) => index)).toEqual(['0', '1']);
  });
});

describe('the router', () => {
  const models = ['a', 'b'];

  test('loads on demand and makes room when the other is idle', async () => {
    await using server = await startLlamaRouter({ ...slow, models, maxModels: 1, loadDelayMs: 20 });
    const { whole } = await running(server.url, { model: 'a' });
    const other = chat(server.url, { model: 'b', max_tokens: 1 });
    expect([server.stateOf('a'), server.stateOf('b')]).toEqual(['loaded', 'unloaded']);
    expect(contentsOf((await whole).text)).toEqual(words);
    expect((await other).status).toBe(200);
    expect([server.stateOf('a'), server.stateOf('b')]).toEqual(['unloaded', 'loaded']);
  });

  test('load and unload answer before it has happened, and events tell of it', async () => {
    await using server = await startLlamaRouter({ ...slow, models, loadDelayMs: 30 });
    const isOver = (bytes: Buffer) => bytes.includes('"unloaded"');
    const events = readStream(`${server.url}/models/sse`, { method: 'GET', onArrival: ({ bytes }) => !isOver(bytes) });
    expect((await post(`${server.url}/models/load`, { model: 'a' })).text).toBe('{"success":true}');
    expect(server.stateOf('a')).toBe('loading');
    expect((await post(`${server.url}/models/load`, { model: 'a' })).status).toBe(400);
    await expect.poll(() => server.stateOf('a')).toBe('loaded');
    await post(`${server.url}/models/unload`, { model: 'a' });
    await expect.poll(() => server.stateOf('a')).toBe('unloaded');
    expect((await events).text).toMatch(/"status":"loading"[\s\S]*"status":"loaded"[\s\S]*"status":"unloaded"/);
  });

  test('a child that dies leaves bare text in a stream that ends properly', async () => {
    await using server = await startLlamaRouter({ ...slow, models });
    const { whole } = await running(server.url, { model: 'a' });
    server.crashChild('a');
    const answer = await whole;
    expect([answer.isComplete, answer.text.endsWith('proxy error: Failed to read connection')]).toEqual([true, true]);
    expect((await send(`${server.url}/v1/models`)).text).toContain('"exit_code":1,"failed":true');
  });

  test('a model told to unload while it generates is killed after a while', async () => {
    await using server = await startLlamaRouter({ ...slow, models, stopTimeoutMs: 50 });
    const { whole } = await running(server.url, { model: 'a' });
    await post(`${server.url}/models/unload`, { model: 'a' });
    expect((await whole).text.endsWith('proxy error: Failed to read connection')).toBe(true);
  });
});

describe('llama-cpp-python', () => {
  test('another request interrupts a stream: [DONE] without a finish reason, then the connection ends', async () => {
    await using server = await startLlamaCppPython(slow);
    const { whole } = await running(server.url);
    expect((await chat(server.url, { max_tokens: 1 })).status).toBe(200);
    const answer = await whole;
    expect(answer.text).toContain('data: [DONE]');
    expect(answer.text).not.toMatch(/"finish_reason": "/);
    expect([answer.isComplete, contentsOf(answer.text).length < 40]).toEqual([false, true]);
  });

  test('so does asking for the list of models, but not for the description of the API', async () => {
    await using server = await startLlamaCppPython(slow);
    const first = await running(server.url);
    await send(`${server.url}/openapi.json`);
    await send(`${server.url}/health`);
    expect(contentsOf((await first.whole).text)).toEqual(words);
    const second = await running(server.url);
    await send(`${server.url}/v1/models`);
    expect((await second.whole).isComplete).toBe(false);
  });

  test('without interrupts, and for answers that are no streams, others wait', async () => {
    await using server = await startLlamaCppPython({ ...slow, isInterrupting: false });
    const { whole } = await running(server.url);
    const list = send(`${server.url}/v1/models`);
    expect(contentsOf((await whole).text)).toEqual(words);
    expect((await list).status).toBe(200);
  });

  test('an abandoned request runs to its end before the next one', async () => {
    await using server = await startLlamaCppPython({ ...slow, answer: words.slice(0, 15) });
    await chatAborted(`${server.url}/v1/chat/completions`);
    const before = performance.now();
    await chat(server.url, { max_tokens: 1 });
    expect(performance.now() - before).toBeGreaterThan(60);
  });

  test('a stream whose prompt is too long ends properly without a single event', async () => {
    await using server = await startLlamaCppPython({ ...slow, contextLength: 50 });
    const long = { messages: [{ role: 'user', content: 'long '.repeat(100) }] };
    const streamed = await chat(server.url, { ...long, stream: true });
    expect([streamed.status, streamed.text, streamed.isComplete]).toEqual([200, '', true]);
    expect((await chat(server.url, long)).json).toMatchObject({ error: { code: 'context_length_exceeded' } });
  });
});
