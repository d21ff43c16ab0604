// `POST /admin/explain` and `POST /admin/replay`: what is asked, and what is said when it cannot be answered.

import type { AdminDraftError, AdminReplay } from '../contract.ts';
import { DraftRejected } from '../dry-run/draft.ts';
import { type CallContext, readDryQuestion, readReplayQuestion } from '../dry-run/question.ts';
import { errorType, GatewayError } from '../errors.ts';
import { HistoryUnavailable } from '../history/history.ts';
import type { Decision } from '../types.ts';
import type { HttpDependencies } from './dependencies.ts';

/** The answer (status 400) to rules that are no configuration. */
interface Refused {
  readonly draft: AdminDraftError;
}

type Json = Readonly<Record<string, unknown>>;

/** Rejects with `GatewayError`. */
export async function explained(
  deps: Pick<HttpDependencies, 'explain'>,
  json: Json,
  call: CallContext,
): Promise<Refused | { readonly decision: Decision }> {
  const question = readDryQuestion(json, call);
  return orRefused(async () => ({ decision: await deps.explain(question) }));
}

/** Rejects with `GatewayError`. */
export async function replayed(
  deps: Pick<HttpDependencies, 'replay'>,
  json: Json,
): Promise<Refused | { readonly replay: AdminReplay }> {
  const question = readReplayQuestion(json);
  return orRefused(async () => ({ replay: await deps.replay(question) }));
}

async function orRefused<Answer>(answer: () => Promise<Answer>): Promise<Answer | Refused> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof HistoryUnavailable)
      throw new GatewayError('conflict', `No stored requests can be read now: ${error.message}.`, { cause: error });
    if (!(error instanceof DraftRejected)) throw error;
    const code = 'invalid_configuration';
    const { message, problems } = error;
    return { draft: { error: { message, type: errorType('openai', code), param: 'rules', code, problems } } };
  }
}
