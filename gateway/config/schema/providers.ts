// `providers`: the servers behind the gateway.

import * as z from 'zod';
import {
  count,
  flag,
  fraction,
  key,
  milliseconds,
  number,
  required,
  seconds,
  size,
  text,
  texts,
  timeouts,
} from './values.ts';

const capability = z.enum([
  'completion',
  'embedding',
  'rerank',
  'vision',
  'audio',
  'tools',
  'structured_output',
  'reasoning',
  'fim',
  'speech',
  'transcription',
  'image_generation',
]);

const model = z.strictObject({
  aliases: key(texts, 'Other names for this model.'),
  size: key(size, 'Parameters in total, such as "13B".'),
  active_size: key(size, 'Parameters active per token, where fewer.'),
  context: key(number, 'Tokens of context.'),
  capabilities: key(z.array(capability), 'All it can do; replaces what the provider reports.'),
  rpm: key(number, 'Requests per minute.'),
  tpm: key(number, 'Tokens per minute.'),
  weight: key(fraction, 'Share among equals.'),
  priority: key(z.number(), 'Higher first.'),
  input_cost_per_token: key(fraction, 'Price of a prompt token.'),
  output_cost_per_token: key(fraction, 'Price of an answer token.'),
  max_parallel_requests: key(number, 'Requests this model takes at once.'),
});

const probe = z.strictObject({
  schedule: key(text, 'A cron expression (a seconds field is allowed), in place of the interval.'),
  interval: key(seconds, 'Between two probes (15 s).'),
  interval_ms: key(milliseconds, 'The same in milliseconds.'),
  timeout: key(seconds, 'Until a probe counts as failed (2 s).'),
  timeout_ms: key(milliseconds, 'The same in milliseconds.'),
  retries: key(count, 'Failed probes before the provider is down (2).'),
});

const keepWarm = z.strictObject({
  schedule: required(text, 'A cron expression.'),
  model: required(text, 'The model, as the provider names it.'),
  action: required(z.enum(['load', 'unload']), 'What to do with it.'),
});

export const provider = z.strictObject({
  kind: required(z.enum(['ollama', 'vllm', 'llama_cpp', 'llama_cpp_python', 'openai']), 'What software it is.'),
  base_url: required(text, 'Its address, with or without a final /v1.'),
  api_key: key(text, 'The key it is called with; best as os.environ/NAME or secret/NAME.'),
  headers: key(z.record(text, z.string()), 'Further headers for every request to it.'),
  enabled: key(flag, 'Whether it is used (true).'),
  priority: key(z.number(), 'Higher first, where priority decides (0).'),
  weight: key(fraction, 'Share among equals (1).'),
  max_parallel_requests: key(
    number,
    'Requests it takes at once (llama_cpp_python: 1, llama_cpp: its slots, others: no limit).',
  ),
  max_queue: key(count, 'Requests that may wait for it (100).'),
  queue_timeout: key(seconds, 'How long a request may wait for it (60 s).'),
  queue_timeout_ms: key(milliseconds, 'The same in milliseconds.'),
  ca_file: key(text, 'Certificates to trust, PEM; relative to this file.'),
  tls_insecure: key(flag, 'Accept any certificate (false).'),
  rpm: key(number, 'Requests per minute.'),
  tpm: key(number, 'Tokens per minute.'),
  timeouts: key(timeouts, 'The four time limits of one attempt.'),
  default_model: key(text, 'The model for requests that name one it does not have.'),
  models: key(z.record(text, model.nullable()), 'What is known of its models, by the id it uses.'),
  probe: key(probe, 'How it is watched.'),
  keep_warm: key(z.array(keepWarm), 'Models loaded or unloaded at set times.'),
});

export type ProviderValues = z.infer<typeof provider>;
export type ModelValues = z.infer<typeof model>;
export type ProbeValues = z.infer<typeof probe>;
