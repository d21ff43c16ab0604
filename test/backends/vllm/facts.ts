// What vLLM tells about itself: models, metrics, the routes it has.

import { readFileSync } from 'node:fs';
import { epochSeconds, hex } from '../core/clock-text.ts';
import type { StandInModel } from '../core/models.ts';
import type { VllmEngine } from './engine.ts';

export function modelList(models: readonly StandInModel[]): unknown {
  const created = epochSeconds();
  const [base] = models;
  return {
    object: 'list',
    data: models.flatMap((model) =>
      [model.name, ...model.aliases].map((id) => ({
        id,
        object: 'model',
        created,
        owned_by: 'vllm',
        root: `/models/${(base ?? model).name}`,
        parent: null,
        max_model_len: model.contextLoaded,
        permission: [
          {
            id: `modelperm-${hex(8)}`,
            object: 'model_permission',
            created,
            allow_create_engine: false,
            allow_sampling: true,
            allow_logprobs: true,
            allow_search_indices: false,
            allow_view: true,
            allow_fine_tuning: false,
            organization: '*',
            group: null,
            is_blocking: false,
          },
        ],
      })),
    ),
  };
}

let template: string | null = null;

/** The recorded page of a server that has done nothing yet, which has every name there is. */
function metricsTemplate(): string {
  if (template === null) {
    const file = new URL('../../recordings/vllm/metrics_before_any_request.json', import.meta.url);
    const recording: { response: { chunks: [number, string][] } } = JSON.parse(readFileSync(file, 'utf8'));
    template = recording.response.chunks.map(([, text]) => text).join('');
  }
  return template;
}

const decimal = (value: number) => (Number.isInteger(value) ? `${value}.0` : String(value));

/** The page with today's figures in it. `isAsleep` shows in the sleep state. */
export function metricsText(engine: VllmEngine, model: StandInModel, isAsleep: boolean): string {
  const values: Readonly<Record<string, number>> = {
    'vllm:num_requests_running{': engine.running,
    'vllm:num_requests_waiting{': engine.waiting,
    'vllm:kv_cache_usage_perc{': engine.cacheUsage,
    'vllm:prompt_tokens_total{': engine.finished.promptTokens,
    'vllm:generation_tokens_total{': engine.finished.generatedTokens,
  };
  return metricsTemplate()
    .split('\n')
    .map((line) => {
      if (!line.startsWith('vllm:')) return line;
      const own = line.replace('model_name="tiny-vllm"', `model_name="${model.name}"`);
      const value = values[own.slice(0, own.indexOf('{') + 1)] ?? labelled(own, engine, isAsleep);
      return value === null ? own : `${own.slice(0, own.lastIndexOf(' '))} ${decimal(value)}`;
    })
    .join('\n');
}

function labelled(line: string, engine: VllmEngine, isAsleep: boolean): number | null {
  if (line.startsWith('vllm:num_requests_waiting_by_reason{'))
    return line.includes('reason="capacity"') ? engine.waiting : 0;
  if (line.startsWith('vllm:engine_sleep_state{')) {
    if (line.includes('"awake"')) return isAsleep ? 0 : 1;
    return line.includes('"weights_offloaded"') && isAsleep ? 1 : 0;
  }
  if (line.startsWith('vllm:request_success_total{')) {
    if (line.includes('finished_reason="stop"')) return engine.finished.stop;
    if (line.includes('finished_reason="length"')) return engine.finished.length;
  }
  return null;
}

/** Enough of `/openapi.json` to tell by its paths what the server can do. */
export function openapi(paths: readonly string[]): unknown {
  return {
    openapi: '3.1.0',
    info: { title: 'FastAPI', version: '0.1.0' },
    paths: Object.fromEntries(paths.map((path) => [path, {}])),
  };
}
