// Everything the history can be asked, put to whoever can reach the worker.

import type {
  AdminBeat,
  AdminEvent,
  AdminHardwareSample,
  AdminHealth,
  AdminIncidents,
  AdminRequestFilter,
  AdminRequestPage,
  AdminSeries,
  AdminUsage,
} from '../contract.ts';
import type { Outcome } from '../types.ts';
import {
  type ExportFormat,
  type HealthQuestion,
  HistoryUnavailable,
  type ListQuestion,
  type ReplayableRequest,
  type SeriesQuestion,
  type TimeRange,
} from './history.ts';
import type { Answer, Question } from './messages.ts';
import { replayableRequests } from './replayable.ts';

export abstract class AnsweringHistory {
  /** Rejects with `HistoryUnavailable`. */
  protected abstract ask(question: Question): Promise<Answer>;
  /** Until when is known what happened: notes that the gateway runs, and returns the time. */
  protected abstract liveNowMs(): number;

  async request(id: string): Promise<Outcome | null> {
    const answer = await this.ask({ about: 'request', id });
    return answer.is === 'outcomes' ? (answer.outcomes[0] ?? null) : null;
  }

  async recentRequests(limit: number, before?: string): Promise<readonly Outcome[]> {
    const answer = await this.ask({ about: 'recent', limit, before: before ?? null });
    return answer.is === 'outcomes' ? answer.outcomes : [];
  }

  async replayable(limit: number): Promise<readonly ReplayableRequest[]> {
    const answer = await this.ask({ about: 'replayable', limit });
    return answer.is === 'replayable' ? replayableRequests(answer.stored) : [];
  }

  async requestPage(filter: AdminRequestFilter, limit: number, cursor?: string): Promise<AdminRequestPage> {
    return (await this.#answer('page', { about: 'page', filter, limit, cursor: cursor ?? null })).page;
  }

  async *exportRequests(filter: AdminRequestFilter, format: ExportFormat): AsyncGenerator<string, void, void> {
    let cursor: string | null = null;
    do {
      const part: { text: string; cursor: string | null } = await this.#answer('export', {
        about: 'export',
        filter,
        format,
        cursor,
      });
      if (part.text !== '') yield part.text;
      cursor = part.cursor;
    } while (cursor !== null);
  }

  async beats(question: ListQuestion): Promise<readonly AdminBeat[]> {
    return (await this.#answer('beats', { about: 'beats', question })).beats;
  }

  async health(question: HealthQuestion): Promise<AdminHealth> {
    return (await this.#answer('health', { about: 'health', question: this.#untilNow(question) })).health;
  }

  async incidents(question: ListQuestion): Promise<AdminIncidents> {
    return (await this.#answer('incidents', { about: 'incidents', question: this.#untilNow(question) })).incidents;
  }

  async events(question: ListQuestion): Promise<readonly AdminEvent[]> {
    return (await this.#answer('events', { about: 'events', question })).events;
  }

  async series(question: SeriesQuestion): Promise<AdminSeries> {
    return (await this.#answer('series', { about: 'series', question })).series;
  }

  async usage(by: AdminUsage['by'], range: TimeRange): Promise<AdminUsage> {
    return (await this.#answer('usage', { about: 'usage', by, range })).usage;
  }

  async hardware(range: TimeRange, points: number): Promise<readonly AdminHardwareSample[]> {
    return (await this.#answer('hardware', { about: 'hardware', range, points })).samples;
  }

  /** Nothing is known of what is to come. */
  #untilNow<Asked extends TimeRange>(question: Asked): Asked {
    return { ...question, toMs: Math.max(question.fromMs, Math.min(question.toMs, this.liveNowMs())) };
  }

  async #answer<Is extends Answer['is']>(is: Is, question: Question): Promise<Extract<Answer, { readonly is: Is }>> {
    const answer = await this.ask(question);
    if (isAnswer(answer, is)) return answer;
    throw new HistoryUnavailable(`the history answered ${answer.is} when asked about ${question.about}`);
  }
}

function isAnswer<Is extends Answer['is']>(answer: Answer, is: Is): answer is Extract<Answer, { readonly is: Is }> {
  return answer.is === is;
}
