// One generation at Ollama: find the model, load it, wait for a place, prefill, and only then the first byte.

import { chooseToolCall, planAnswer } from '../core/answer.ts';
import { type Asked, type Fields, isFields, number, readAsked } from '../core/asked.ts';
import type { Behaviour } from '../core/behaviour.ts';
import type { Exchange } from '../core/exchange.ts';
import type { StandInModel } from '../core/models.ts';
import { Run } from '../core/run.ts';
import { isSameName } from './lists.ts';
import { type Lease, readKeepAlive, type Scheduler } from './scheduler.ts';
import { crashText, type Words } from './words.ts';

export interface OllamaState {
  readonly behaviour: Behaviour;
  readonly scheduler: Scheduler;
  readonly runs: Set<RunOf>;
}

interface RunOf {
  readonly run: Run;
  readonly model: StandInModel;
}

export function findModel(state: OllamaState, name: string | null): StandInModel | null {
  return name === null ? null : (state.behaviour.models.find((model) => isSameName(model.name, name)) ?? null);
}

const BUSY = 'server busy, please try again.  maximum pending requests exceeded';

/** The model's own context unless the request names another: a different one makes it load again. */
function wantedContext(fields: Fields, model: StandInModel): number {
  const options = isFields(fields.options) ? fields.options : {};
  return Math.min(number(options.num_ctx) ?? model.contextLoaded, model.contextTrained);
}

/** Loads the model if need be. Null when the request is already answered, or its client gone. */
export async function lease(
  state: OllamaState,
  exchange: Exchange,
  model: StandInModel,
  fields: Fields,
  fail: Words['fail'],
): Promise<Lease | null> {
  const keepAliveMs = readKeepAlive(fields.keep_alive) ?? null;
  const wanted = { model, context: wantedContext(fields, model), keepAliveMs };
  const got = await state.scheduler.acquire(wanted, exchange.gone);
  if (got === 'busy') fail(503, BUSY, 'core');
  return got === 'busy' || got === 'left' ? null : got;
}

/** Why the model cannot do what is asked; null when it can. */
function whyNot(asked: Asked, model: StandInModel, isNative: boolean): string | null {
  const { fields } = asked;
  const has = (capability: StandInModel['capabilities'][number]) => model.capabilities.includes(capability);
  if (!has('completion'))
    return `"${asked.model}" does not support ${isNative && fields.prompt !== undefined ? 'generate' : 'chat'}`;
  const wantsThinking =
    fields.think === true || typeof fields.think === 'string' || typeof fields.reasoning_effort === 'string';
  if (asked.tools.length > 0 && !has('tools')) return `registry.ollama.ai/library/${model.name} does not support tools`;
  if (wantsThinking && !has('thinking')) return `"${asked.model}" does not support thinking`;
  return null;
}

/** Native routes stream unless told not to. */
export function readOllamaAsked(fields: Fields, isNative: boolean): Asked {
  const asked = readAsked(fields);
  const isStream = isNative ? fields.stream !== false : asked.isStream;
  // 0 and negative both mean "until it stops"; `n` and `max_completion_tokens` are ignored.
  const maxTokens = asked.maxTokens !== null && asked.maxTokens > 0 ? asked.maxTokens : null;
  return { ...asked, isStream, maxTokens, choices: 1 };
}

/** Answers a generation whose request was found well-formed. */
export async function generate(state: OllamaState, exchange: Exchange, asked: Asked, words: Words): Promise<void> {
  const isNative = exchange.path.startsWith('/api/');
  const model = findModel(state, asked.model);
  if (!asked.model) return words.fail(400, 'model is required', 'core');
  if (!model) return words.fail(404, `model '${asked.model}' not found`, 'core');
  const refusal = whyNot(asked, model, isNative);
  if (refusal) return words.fail(400, refusal, 'core');
  const startedMs = performance.now();
  const held = await lease(state, exchange, model, asked.fields, words.fail);
  if (!held) return;
  const run = new Run(exchange, asked.isStream).stopWhenLeft();
  const entry = { run, model };
  state.runs.add(entry);
  try {
    if (await held.begin(run.signal)) await speak(state.behaviour, run, asked, held, words, startedMs);
  } finally {
    state.runs.delete(entry);
    held.release();
  }
}

/** A prompt that is too long is cut to the context without a word, unless `truncate: false` was said natively. */
function fitPrompt(asked: Asked, context: number): Asked | null {
  if (asked.promptTokens <= context) return asked;
  return asked.fields.truncate === false ? null : { ...asked, promptTokens: context };
}

async function speak(
  behaviour: Behaviour,
  run: Run,
  given: Asked,
  held: Lease,
  words: Words,
  startedMs: number,
): Promise<void> {
  const { exchange } = run;
  const asked = fitPrompt(given, held.context);
  if (!asked) return words.fail(400, 'the input length exceeds the context length', 'core');
  const call = chooseToolCall(asked, behaviour, { named: false, required: false, auto: true });
  // The context shifts when it is full, so it limits nothing.
  const planned = planAnswer(
    asked,
    behaviour,
    { maxTokens: asked.maxTokens, contextLeft: Number.POSITIVE_INFINITY },
    call,
  );
  await run.pause(behaviour.prefillDelayMs);
  const cost = () => ({
    totalMs: performance.now() - startedMs,
    loadMs: held.loadMs,
    prefillMs: behaviour.prefillDelayMs,
  });
  if (!asked.isStream) {
    await run.tokens(planned.tokens, behaviour.tokenDelayMs, () => undefined);
    if (run.stopped === 'crashed')
      return words.fail(500, 'an error was encountered while running the model: unexpected EOF', 'core');
    return run.stopped === null ? words.whole(planned, cost()) : undefined;
  }
  if (run.stopped !== null) return;
  words.open();
  for (const part of words.opening(planned)) exchange.emit([part]);
  await run.tokens(planned.reasoning, behaviour.tokenDelayMs, (text) =>
    exchange.write('content', words.reasoning(text)),
  );
  await run.tokens(planned.tokens, behaviour.tokenDelayMs, (text) => exchange.write('content', words.token(text)));
  if (planned.toolCall && run.stopped === null) exchange.write('content', words.toolCall(planned.toolCall));
  if (run.stopped === 'crashed') exchange.write('comment', crashText(exchange.path, ''));
  else if (run.stopped === null) for (const parts of words.last(planned, cost())) exchange.emit(parts);
  exchange.end();
}
