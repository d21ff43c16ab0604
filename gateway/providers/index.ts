// The kinds of providers there are. Shared code looks one up here and never asks which one it got.

import type { ProviderKind } from '../types.ts';
import { cloud } from './cloud.ts';
import { llamaCpp } from './llama-cpp.ts';
import { llamaCppPython } from './llama-cpp-python.ts';
import { ollama } from './ollama.ts';
import { openai } from './openai.ts';
import type { ProviderAdapter } from './provider.ts';
import { vllm } from './vllm.ts';

export const adapters = {
  ollama,
  vllm,
  llama_cpp: llamaCpp,
  llama_cpp_python: llamaCppPython,
  openai,
  cloud,
} as const satisfies Record<ProviderKind, ProviderAdapter>;
