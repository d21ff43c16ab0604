// What llama.cpp tells about itself: `/props`, `/v1/models`, `/slots`, `/metrics`.

import { epochSeconds, letters } from '../core/clock-text.ts';
import type { StandInModel } from '../core/models.ts';
import type { Engine } from './engine.ts';
import { BUILD } from './words.ts';

const PARAMS = {
  seed: 4294967295,
  temperature: 0.800000011920929,
  dynatemp_range: 0,
  dynatemp_exponent: 1,
  top_k: 40,
  top_p: 0.949999988079071,
  min_p: 0.05000000074505806,
  top_n_sigma: -1,
  xtc_probability: 0,
  xtc_threshold: 0.10000000149011612,
  typical_p: 1,
  repeat_last_n: 64,
  repeat_penalty: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  dry_multiplier: 0,
  dry_base: 1.75,
  dry_allowed_length: 2,
  dry_penalty_last_n: 64,
  mirostat: 0,
  mirostat_tau: 5,
  mirostat_eta: 0.10000000149011612,
  adaptive_target: -1,
  adaptive_decay: 0.8999999761581421,
  max_tokens: -1,
  n_predict: -1,
  n_keep: 0,
  n_discard: 0,
  ignore_eos: false,
  stream: false,
  n_probs: 0,
  min_keep: 0,
  chat_format: 'Content-only',
  reasoning_format: 'none',
  reasoning_in_content: false,
  generation_prompt: '',
  samplers: ['penalties', 'dry', 'top_n_sigma', 'top_k', 'typ_p', 'top_p', 'min_p', 'xtc', 'temperature'],
  'speculative.types': 'none',
  timings_per_token: false,
  post_sampling_probs: false,
  backend_sampling: false,
  lora: [],
};

/** The long names it uses itself. */
const FTYPES: Readonly<Record<string, string>> = {
  Q4_K_M: 'Q4_K - Medium',
  Q5_K_M: 'Q5_K - Medium',
  Q4_K_S: 'Q4_K - Small',
};

function ftypeOf(model: StandInModel): string {
  return FTYPES[model.quantization] ?? model.quantization;
}

export function metaOf(model: StandInModel): Record<string, unknown> {
  return {
    vocab_type: 1,
    n_vocab: 530,
    n_ctx: model.contextLoaded,
    n_ctx_train: model.contextTrained,
    n_embd: model.embeddingLength,
    n_params: model.parameters,
    size: model.fileBytes,
    ftype: ftypeOf(model),
  };
}

/** The Ollama-like half is a dummy with empty strings; `created` is now, each time. */
export function singleList(model: StandInModel): unknown {
  const capabilities = ['completion', ...(model.capabilities.includes('vision') ? ['multimodal'] : [])];
  const details = {
    parent_model: '',
    format: 'gguf',
    family: '',
    families: [''],
    parameter_size: '',
    quantization_level: '',
  };
  return {
    models: [
      {
        name: model.name,
        model: model.name,
        modified_at: '',
        size: '',
        digest: '',
        type: 'model',
        description: '',
        tags: [''],
        capabilities,
        parameters: '',
        details,
      },
    ],
    object: 'list',
    data: [
      {
        id: model.name,
        aliases: [model.name],
        tags: [],
        object: 'model',
        created: epochSeconds(),
        owned_by: 'llamacpp',
        meta: metaOf(model),
      },
    ],
  };
}

export interface PropsSwitches {
  readonly hasSlots: boolean;
  readonly hasMetrics: boolean;
  readonly isSleeping: boolean;
}

export function singleProps(model: StandInModel, slots: number, switches: PropsSwitches): unknown {
  const hasTools = model.capabilities.includes('tools');
  return {
    default_generation_settings: { params: PARAMS, n_ctx: model.contextLoaded },
    total_slots: slots,
    model_alias: model.name,
    model_ftype: ftypeOf(model),
    model_path: `/models/${model.name}.gguf`,
    modalities: { vision: model.capabilities.includes('vision'), video: false, audio: false },
    media_marker: `<__media_${letters(32)}__>`,
    endpoint_slots: switches.hasSlots,
    endpoint_props: false,
    endpoint_metrics: switches.hasMetrics,
    ui: true,
    ui_settings: {},
    chat_template:
      "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    chat_template_caps: {
      supports_object_arguments: false,
      supports_parallel_tool_calls: false,
      supports_preserve_reasoning: false,
      supports_reasoning_effort: false,
      supports_string_content: true,
      supports_system_role: true,
      supports_tool_calls: hasTools,
      supports_tools: hasTools,
      supports_typed_content: false,
    },
    bos_token: '<s>',
    eos_token: '<|im_end|>',
    build_info: BUILD,
    is_sleeping: switches.isSleeping,
    cors_proxy_enabled: false,
  };
}

/** A slot that was never used says less than one that was. */
export function slotsView(engine: Engine): unknown[] {
  return engine.slots.map((slot, id) => {
    const head = { id, n_ctx: engine.model.contextLoaded, speculative: false, is_processing: slot.isProcessing };
    if (!slot.task) return head;
    const { asked, decoded } = slot.task;
    const limit = asked.maxTokens ?? -1;
    return {
      ...head,
      id_task: slot.task.id,
      n_prompt_tokens: asked.promptTokens + decoded,
      n_prompt_tokens_processed: slot.isProcessing ? asked.promptTokens : 0,
      n_prompt_tokens_cache: 0,
      params: { ...PARAMS, max_tokens: limit, n_predict: limit, stream: asked.isStream },
      next_token: [
        {
          has_next_token: slot.isProcessing,
          has_new_line: false,
          n_remain: limit < 0 ? -1 : limit - decoded,
          n_decoded: decoded,
        },
      ],
    };
  });
}

const METRICS: readonly (readonly [name: string, type: 'counter' | 'gauge', help: string])[] = [
  ['prompt_tokens_total', 'counter', 'Number of prompt tokens processed, excluding cached tokens'],
  ['prompt_tokens_cached_total', 'counter', 'Number of prompt tokens reused from the cache'],
  ['prompt_seconds_total', 'counter', 'Total time spent processing prompts'],
  ['tokens_predicted_total', 'counter', 'Number of generation tokens processed'],
  ['tokens_predicted_seconds_total', 'counter', 'Total time spent generating tokens'],
  [
    'n_decode_total',
    'counter',
    'Total number of llama_decode() calls, excluding speculative decoding and multimodal decoding',
  ],
  ['n_tokens_max', 'counter', 'Largest observed sequence length (prompt + generation)'],
  ['spec_decode_num_draft_tokens_total', 'counter', 'Speculative: Total draft tokens generated'],
  ['spec_decode_num_accepted_tokens_total', 'counter', 'Speculative: Total draft tokens accepted by the target model'],
  ['spec_decode_num_drafts_total', 'counter', 'Speculative: Total speculative decoding verification steps'],
  ['prompt_tokens_seconds', 'gauge', 'Average prompt throughput in tokens/s'],
  ['predicted_tokens_seconds', 'gauge', 'Average generation throughput in tokens/s'],
  ['requests_processing', 'gauge', 'Number of requests processing'],
  ['requests_deferred', 'gauge', 'Number of requests deferred'],
  ['n_busy_slots_per_decode', 'gauge', 'Average number of busy slots per llama_decode() call'],
];

export function metricsText(engine: Engine): string {
  const { counters } = engine;
  const values: Readonly<Record<string, number>> = {
    prompt_tokens_total: counters.promptTokens,
    prompt_tokens_cached_total: counters.cachedTokens,
    tokens_predicted_total: counters.predictedTokens,
    n_decode_total: counters.decodes,
    requests_processing: engine.running,
    requests_deferred: engine.deferred,
    n_busy_slots_per_decode: engine.running,
  };
  return METRICS.map(
    ([name, type, help]) =>
      `# HELP llamacpp:${name} ${help}\n# TYPE llamacpp:${name} ${type}\nllamacpp:${name} ${values[name] ?? 0}\n`,
  ).join('');
}
