// What one parsed event means in each protocol. A reader belongs to one stream; all it learns goes into the findings.

import type { Endpoint, Usage } from '../types.ts';
import { anthropicBlockLength, chatLength, outputItemLength } from './content.ts';
import { protocolError } from './embedded-error.ts';
import type { Findings } from './findings.ts';
import { countOf, isObject, type JsonObject, listOf, objectOf, textOf } from './json-values.ts';
import { AnthropicUsage, ollamaUsage, openaiUsage, timingsUsage } from './usage.ts';

export interface EventReader {
  /** Clients stop reading at `data: [DONE]`. */
  readonly stopsAtDone: boolean;
  /** @param name the event's `event:` line; always null in NDJSON */
  read(event: JsonObject, name: string | null, findings: Findings): void;
}

/** Chat and completions: choices with an index, `[DONE]` at the end. */
class ChoicesReader implements EventReader {
  readonly stopsAtDone = true;
  #reported: Usage | null = null;
  /** Counted only where no usage is reported. */
  #timings: Usage | null = null;

  read(event: JsonObject, name: string | null, findings: Findings): void {
    if (event.error || name === 'error') {
      findings.noteError(protocolError(event.error ?? event, event));
      return;
    }
    if (findings.model === null) findings.noteModel(event.model);
    const choices = event.choices;
    if (Array.isArray(choices)) {
      for (let i = 0; i < choices.length; i += 1) this.#readChoice(choices[i], i, event, findings);
    }
    if (event.usage) this.#reported = openaiUsage(event.usage) ?? this.#reported;
    findings.usage = this.#reported ?? this.#timings;
  }

  #readChoice(choice: unknown, position: number, event: JsonObject, findings: Findings): void {
    if (!isObject(choice)) return;
    const reason = choice.finish_reason;
    findings.noteChoice(countOf(choice.index) ?? position, reason);
    if (typeof choice.text === 'string') findings.addContent(choice.text === '' ? null : choice.text.length);
    else if (isObject(choice.delta)) findings.addContent(chatLength(choice.delta));
    if (textOf(reason) !== null && event.timings) this.#addTimings(event.timings);
  }

  /** Each choice of llama.cpp ends with timings of its own (recording chat-n2-stream); the prompt is the same one. */
  #addTimings(timings: unknown): void {
    const usage = timingsUsage(timings);
    if (usage === null) return;
    const completionTokens = (this.#timings?.completionTokens ?? 0) + (usage.completionTokens ?? 0);
    this.#timings = { ...(this.#timings ?? usage), completionTokens };
  }
}

/** Events of the Responses API that end a stream. */
const RESPONSE_ENDS: ReadonlySet<string> = new Set(['response.completed', 'response.incomplete']);

class ResponsesReader implements EventReader {
  readonly stopsAtDone = true;

  read(event: JsonObject, name: string | null, findings: Findings): void {
    const type = textOf(event.type) ?? name ?? '';
    if (type === 'error' || name === 'error' || event.error) {
      findings.noteError(protocolError(event.error ?? event, event));
      return;
    }
    if (type.endsWith('.delta')) {
      const delta = textOf(event.delta);
      if (delta !== null) findings.addContent(type === 'response.audio.delta' ? 0 : delta.length);
      return;
    }
    if (type.endsWith('.partial_image')) findings.addContent(0);
    else if (type === 'response.output_item.added') this.#readAddedItem(objectOf(event.item), findings);
    else if (type === 'response.output_item.done') this.#readDoneItem(objectOf(event.item), findings);
    else if (isObject(event.response)) this.#readResponse(type, event.response, event, findings);
  }

  /** A call is content from its name on; the arguments follow as deltas. */
  #readAddedItem(item: JsonObject, findings: Findings): void {
    const callName = textOf(item.name);
    if (callName !== null) findings.addContent(callName.length);
  }

  /** Counted only where the server sent no deltas before it. */
  #readDoneItem(item: JsonObject, findings: Findings): void {
    if (findings.contentEvents === 0) findings.addContent(outputItemLength(item));
  }

  #readResponse(type: string, response: JsonObject, event: JsonObject, findings: Findings): void {
    findings.noteModel(response.model);
    findings.usage = openaiUsage(response.usage) ?? findings.usage;
    if (type === 'response.failed') {
      findings.noteError(protocolError(response.error, event));
    } else if (RESPONSE_ENDS.has(type)) {
      const reason = textOf(objectOf(response.incomplete_details).reason);
      findings.noteChoice(0, reason ?? type.slice('response.'.length));
      findings.hasEnded = true;
    }
  }
}

class MessagesReader implements EventReader {
  readonly stopsAtDone = false;
  readonly #usage = new AnthropicUsage();

  read(event: JsonObject, name: string | null, findings: Findings): void {
    // The official client raises only events that are named so, and drops an unnamed one.
    if (name === 'error') {
      findings.noteError(protocolError(event.error ?? event, event));
      return;
    }
    switch (event.type) {
      case 'message_start': {
        const message = objectOf(event.message);
        findings.noteModel(message.model);
        findings.noteChoice(0, null);
        this.#addUsage(message.usage, findings);
        return;
      }
      case 'content_block_start':
        findings.addContent(anthropicBlockLength(objectOf(event.content_block)));
        return;
      case 'content_block_delta':
        findings.addContent(anthropicBlockLength(objectOf(event.delta)));
        return;
      case 'message_delta':
        findings.noteChoice(0, objectOf(event.delta).stop_reason);
        this.#addUsage(event.usage, findings);
        return;
      case 'message_stop':
        findings.hasEnded = true;
        return;
    }
  }

  #addUsage(usage: unknown, findings: Findings): void {
    this.#usage.add(usage);
    findings.usage = this.#usage.total;
  }
}

/** Ollama's native chat and generate: the last line says `done`. */
class OllamaReader implements EventReader {
  readonly stopsAtDone = false;

  read(event: JsonObject, _name: string | null, findings: Findings): void {
    if (event.error) {
      findings.noteError(protocolError(event.error, event));
      return;
    }
    if (findings.model === null) findings.noteModel(event.model);
    if (isObject(event.message)) findings.addContent(chatLength(event.message));
    else findings.addContent(generatedLength(event));
    if (event.done !== true) return;
    findings.noteChoice(0, textOf(event.done_reason) ?? 'stop');
    findings.usage = ollamaUsage(event);
    findings.hasEnded = true;
  }
}

function generatedLength(event: JsonObject): number | null {
  const response = textOf(event.response);
  const thinking = textOf(event.thinking);
  if (response === null && thinking === null) return textOf(event.image) === null ? null : 0;
  return (response?.length ?? 0) + (thinking?.length ?? 0);
}

/** Streams of transcripts and images: events with a type, or chat-like chunks (vLLM's transcriptions). */
class MediaReader implements EventReader {
  readonly stopsAtDone = true;
  readonly #choices = new ChoicesReader();

  read(event: JsonObject, name: string | null, findings: Findings): void {
    const type = textOf(event.type);
    if (type === null || event.error || name === 'error' || listOf(event.choices).length > 0) {
      this.#choices.read(event, name, findings);
      return;
    }
    if (type.endsWith('.delta')) findings.addContent(textOf(event.delta)?.length ?? null);
    else if (type.endsWith('.partial_image')) findings.addContent(0);
    else if (type.endsWith('.done') || type.endsWith('.completed')) {
      if (findings.contentEvents === 0) findings.addContent(textOf(event.text)?.length ?? (event.b64_json ? 0 : null));
      findings.usage = openaiUsage(event.usage);
      findings.noteChoice(0, 'stop');
      findings.hasEnded = true;
    }
  }
}

/** A reader for one stream of that endpoint; null where streams have no events. */
export function createEventReader(endpoint: Endpoint): EventReader | null {
  switch (endpoint) {
    case 'chat':
    case 'completions':
      return new ChoicesReader();
    case 'responses':
      return new ResponsesReader();
    case 'messages':
      return new MessagesReader();
    case 'ollama_chat':
    case 'ollama_generate':
      return new OllamaReader();
    case 'audio_transcriptions':
    case 'audio_translations':
    case 'images_generations':
    case 'images_edits':
      return new MediaReader();
    default:
      return null;
  }
}
