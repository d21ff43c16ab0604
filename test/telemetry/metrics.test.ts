import { describe, expect, test } from 'vitest';
import { evenness } from '../../gateway/telemetry/gauges.ts';
import { Metrics } from '../../gateway/telemetry/metrics.ts';
import type { Attempt, Candidate, Decision, Outcome, ProviderSnapshot, Snapshot } from '../../gateway/types.ts';
import { decision, outcome } from '../history/support.ts';
import { FakeClock } from '../support/fake-clock.ts';

const nothing: Snapshot = { atMs: 0, version: 1, providers: new Map() };

/** The value of the one line that begins like this; undefined when there is none. */
async function reader(metrics: Metrics, snapshot = nothing): Promise<(line: string) => number | undefined> {
  const lines = (await metrics.render(snapshot)).split('\n');
  return (wanted) => {
    const found = lines.filter((line) => line.startsWith(`${wanted} `));
    expect(found.length).toBeLessThan(2);
    return found[0] === undefined ? undefined : Number(found[0].slice(wanted.length + 1));
  };
}

function attempt(changes: Partial<Attempt> = {}): Attempt {
  const [, last] = outcome().attempts;
  return { ...(last as Attempt), isCold: false, ...changes };
}

function candidate(changes: Partial<Candidate>): Candidate {
  return { ...(decision.candidates[0] as Candidate), ...changes };
}

function decided(changes: Partial<Decision>): Partial<Outcome> {
  return { decision: { ...decision, ...changes } };
}

function simple(changes: Partial<Outcome> = {}): Outcome {
  return outcome({ attempts: [attempt()], ...changes });
}

const failure = { kind: 'unreachable', message: 'refused', status: null, retryAfterMs: null } as const;
const unanswered = { provider: null, model: null, result: 'failed', status: 502, firstContentMs: null } as const;

describe('requests', () => {
  test('are counted by who answered and how they ended', async () => {
    const metrics = new Metrics();
    metrics.observe(simple());
    metrics.observe(simple());
    metrics.observe(simple({ result: 'broken' }));
    metrics.observe(simple({ ...unanswered, errorCode: 'all_attempts_failed' }));
    const value = await reader(metrics);
    const labels = 'provider="ollama",model="qwen3:8b",endpoint="chat"';
    expect(value(`switchyard_requests_total{${labels},result="complete"}`)).toBe(2);
    expect(value(`switchyard_requests_total{${labels},result="broken"}`)).toBe(1);
    expect(value('switchyard_requests_total{provider="none",model="none",endpoint="chat",result="failed"}')).toBe(1);
    expect(value('switchyard_errors_total{code="all_attempts_failed"}')).toBe(1);
    expect(value('switchyard_answers_total{provider="ollama"}')).toBe(3);
  });

  test('durations fall into cumulative buckets with sum and count', async () => {
    const metrics = new Metrics();
    for (const durationMs of [40, 90, 700, 3_600_000]) metrics.observe(simple({ durationMs }));
    const value = await reader(metrics);
    const name = 'switchyard_request_duration_seconds';
    const labels = 'provider="ollama",model="qwen3:8b",endpoint="chat"';
    expect(value(`${name}_bucket{le="0.05",${labels}}`)).toBe(1);
    expect(value(`${name}_bucket{le="0.1",${labels}}`)).toBe(2);
    expect(value(`${name}_bucket{le="1",${labels}}`)).toBe(3);
    expect(value(`${name}_bucket{le="600",${labels}}`)).toBe(3);
    expect(value(`${name}_bucket{le="+Inf",${labels}}`)).toBe(4);
    expect(value(`${name}_count{${labels}}`)).toBe(4);
    expect(value(`${name}_sum{${labels}}`)).toBeCloseTo(3600.83);
  });

  test('times to the first token keep cold and warm apart; tokens are counted by type', async () => {
    const metrics = new Metrics();
    metrics.observe(simple({ firstContentMs: 40 }));
    metrics.observe(simple({ firstContentMs: 20_000, attempts: [attempt({ isCold: true })] }));
    metrics.observe(simple({ firstContentMs: null }));
    const value = await reader(metrics);
    const name = 'switchyard_time_to_first_token_seconds';
    expect(value(`${name}_count{provider="ollama",model="qwen3:8b",start="warm"}`)).toBe(1);
    expect(value(`${name}_sum{provider="ollama",model="qwen3:8b",start="cold"}`)).toBe(20);
    expect(value('switchyard_tokens_total{provider="ollama",model="qwen3:8b",type="completion"}')).toBe(240);
    expect(value('switchyard_tokens_total{provider="ollama",model="qwen3:8b",type="cached"}')).toBe(0);
  });
});

describe('attempts', () => {
  test('another deployment is a fallback, the same one a retry, and failures go by kind', async () => {
    const metrics = new Metrics({ isListed: () => true });
    const failed = attempt({ failure });
    const elsewhere = attempt({ provider: 'vllm', model: 'big' });
    metrics.observe(outcome({ attempts: [failed, attempt({ failure }), elsewhere] }));
    metrics.observe(simple());
    const value = await reader(metrics);
    expect(value('switchyard_retries_total{provider="ollama"}')).toBe(1);
    expect(value('switchyard_fallbacks_total{from="ollama",to="vllm"}')).toBe(1);
    expect(value('switchyard_requests_with_fallback_total')).toBe(1);
    expect(value('fallback_trigger_rate')).toBe(0.5);
    const labels = 'provider="ollama",model="qwen3:8b"';
    expect(value(`switchyard_attempts_total{${labels},result="unreachable"}`)).toBe(2);
    expect(value(`switchyard_attempts_total{${labels},result="ok"}`)).toBe(1);
  });
});

describe('retries', () => {
  test('a deployment that is asked again after another one is a retry, not a fallback', async () => {
    const metrics = new Metrics({ isListed: () => true });
    const failed = attempt({ failure });
    const elsewhere = attempt({ provider: 'vllm', model: 'big', failure });
    metrics.observe(outcome({ attempts: [failed, elsewhere, { ...failed }, { ...elsewhere, failure: null }] }));
    const value = await reader(metrics);
    expect(value('switchyard_fallbacks_total{from="ollama",to="vllm"}')).toBe(1);
    expect(value('switchyard_fallbacks_total{from="vllm",to="ollama"}')).toBeUndefined();
    expect(value('switchyard_retries_total{provider="ollama"}')).toBe(1);
    expect(value('switchyard_retries_total{provider="vllm"}')).toBe(1);
  });
});

describe('variants', () => {
  test('are counted by how requests and attempts of them ended, and timed', async () => {
    const metrics = new Metrics({ isListed: () => true });
    const old = attempt({ failure, variant: 'old' });
    metrics.observe(outcome({ attempts: [old, attempt({ variant: 'new' })], variant: 'new', durationMs: 700 }));
    metrics.observe(outcome({ attempts: [], variant: 'new', cache: 'hit', durationMs: 1 }));
    metrics.observe(simple());
    const value = await reader(metrics);
    const requests = 'switchyard_variant_requests_total';
    expect(value(`${requests}{model="qwen3:8b",variant="new",result="complete"}`)).toBe(2);
    expect(value('switchyard_variant_attempts_total{variant="old",result="unreachable"}')).toBe(1);
    expect(value('switchyard_variant_attempts_total{variant="new",result="ok"}')).toBe(1);
    expect(value('switchyard_variant_request_duration_seconds_sum{variant="new"}')).toBe(0.7);
    expect(value('switchyard_variant_request_duration_seconds_count{variant="new"}')).toBe(1);
  });
});

describe('cooldowns', () => {
  test('are counted by provider and by what took it out', async () => {
    const metrics = new Metrics();
    metrics.tookOut('ollama', 'server_error');
    metrics.tookOut('ollama', 'server_error');
    const value = await reader(metrics);
    expect(value('switchyard_cooldowns_total{provider="ollama",because="server_error"}')).toBe(2);
  });
});

describe('names', () => {
  test('a name nobody served and nobody lists is `other`, so strangers cannot make series', async () => {
    const metrics = new Metrics();
    const missing = { kind: 'model_missing', message: 'no such model', status: 404, retryAfterMs: null } as const;
    for (let name = 0; name < 2_000; name++) {
      const model = `invented-${name}`;
      metrics.observe(
        simple({ ...unanswered, requestedModel: model, attempts: [attempt({ model, failure: missing })] }),
      );
    }
    const page = await metrics.render(nothing);
    expect(page).not.toContain('invented');
    const value = await reader(metrics);
    expect(value('switchyard_attempts_total{provider="ollama",model="other",result="model_missing"}')).toBe(2_000);
    expect(value('litellm_errors_total{model="other",provider="ollama"}')).toBe(2_000);
  });

  test('no metric has more than 500 series whatever a provider serves', async () => {
    const metrics = new Metrics();
    for (let name = 0; name < 3_000; name++) metrics.observe(simple({ model: `served-${name}` }));
    const page = await metrics.render(nothing);
    const counts = new Map<string, number>();
    for (const line of page.split('\n')) {
      if (line.startsWith('#') || line === '' || line.includes('le="')) continue;
      const name = line.split('{')[0] ?? '';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(500);
    const value = await reader(metrics);
    expect(value('switchyard_answers_total{provider="ollama"}')).toBe(3_000);
  });

  test('once a name was served it is a label, and its failures go there too', async () => {
    const metrics = new Metrics();
    metrics.observe(simple({ result: 'failed', firstContentMs: null, status: 404 }));
    metrics.observe(simple());
    metrics.observe(simple({ result: 'failed', firstContentMs: null, status: 500 }));
    const value = await reader(metrics);
    const rest = 'endpoint="chat",result="failed"';
    expect(value(`switchyard_requests_total{provider="ollama",model="other",${rest}}`)).toBe(1);
    expect(value(`switchyard_requests_total{provider="ollama",model="qwen3:8b",${rest}}`)).toBe(1);
  });

  test('a name with quotes, backslashes and line ends stays one well-formed line', async () => {
    const metrics = new Metrics();
    metrics.observe(simple({ model: 'a"b\\c\nd' }));
    expect(await metrics.render(nothing)).toContain(
      'litellm_requests_total{model="a\\"b\\\\c\\nd",provider="ollama"} 1',
    );
  });
});

describe('the routing metrics of the guides', () => {
  test('rates are over all decisions, with the counters beside them', async () => {
    const metrics = new Metrics();
    const rules = ['exact:qwen3:8b', 'exact:llama3.1:8b', 'pattern:2', 'catalog'];
    for (const rule of rules) metrics.observe(simple({ decisionMs: 0.02, ...decided({ rule }) }));
    const value = await reader(metrics);
    expect(value('exact_match_rate')).toBe(0.5);
    expect(value('pattern_match_rate')).toBe(0.25);
    expect(value('switchyard_decisions_total{step="exact"}')).toBe(2);
    expect(value('routing_decision_time_ms')).toBeCloseTo(0.02);
    expect(value('switchyard_decision_seconds_bucket{le="0.000025"}')).toBe(4);
    expect(value('cache_hit_rate')).toBe(0);
  });

  test('the hit rate and its counters are what the cache has counted', async () => {
    const metrics = new Metrics({ cacheCounts: () => ({ hits: 1, misses: 3, stored: 2, bytes: 900, entries: 2 }) });
    const value = await reader(metrics);
    expect(value('cache_hit_rate')).toBe(0.25);
    expect(value('switchyard_cache_lookups_total{result="hit"}')).toBe(1);
    expect(value('switchyard_cache_lookups_total{result="miss"}')).toBe(3);
    expect(value('switchyard_cache_stored_total')).toBe(2);
    expect(value('switchyard_cache_bytes')).toBe(900);
    expect(value('switchyard_cache_entries')).toBe(2);
  });

  test('an answer from the cache is a request, and neither tokens nor cost nor anything of its provider', async () => {
    const candidates = [candidate({}), candidate({ provider: 'vllm', order: 2 })];
    const metrics = new Metrics({ priceOf: () => ({ input: 1, output: 1 }) });
    metrics.observe(simple(decided({ candidates })));
    const once = await reader(metrics);
    metrics.observe(
      simple({ cache: 'hit', attempts: [], durationMs: 1, firstContentMs: 1, ...decided({ candidates }) }),
    );
    const value = await reader(metrics);
    const ollama = 'provider="ollama",model="qwen3:8b"';
    const cache = 'provider="cache",model="qwen3:8b"';
    for (const line of [
      `switchyard_tokens_total{${ollama},type="completion"}`,
      'litellm_cost_total{model="qwen3:8b",provider="ollama"}',
      'litellm_request_duration_seconds{model="qwen3:8b",provider="ollama"}',
      `switchyard_requests_total{${ollama},endpoint="chat",result="complete"}`,
      `switchyard_request_duration_seconds_count{${ollama},endpoint="chat"}`,
      'provider_distribution{provider="ollama"}',
      'load_balance_effectiveness',
    ]) {
      expect(value(line), line).toBe(once(line));
    }
    expect(value(`switchyard_requests_total{${cache},endpoint="chat",result="complete"}`)).toBe(1);
    expect(value('litellm_requests_total{model="qwen3:8b",provider="cache"}')).toBe(1);
    expect(value(`switchyard_tokens_total{${cache},type="completion"}`)).toBe(0);
    expect(value('switchyard_saved_cost_total{provider="cache"}')).toBeUndefined();
  });

  test('before the first request every rate is a number', async () => {
    const value = await reader(new Metrics());
    for (const name of ['exact_match_rate', 'fallback_trigger_rate', 'routing_decision_time_ms']) {
      expect(value(name)).toBe(0);
    }
    expect(value('load_balance_effectiveness')).toBe(1);
  });

  test('the distribution is each provider’s share of the answers', async () => {
    const metrics = new Metrics();
    for (const provider of ['a', 'a', 'a', 'b']) metrics.observe(simple({ provider }));
    const value = await reader(metrics);
    expect(value('provider_distribution{provider="a"}')).toBe(0.75);
    expect(value('provider_distribution{provider="b"}')).toBe(0.25);
  });

  test('balance is judged only where there was a choice', async () => {
    const metrics = new Metrics();
    const both = [candidate({ provider: 'a' }), candidate({ provider: 'b', order: 2, reason: 'lost_on_score' })];
    for (const provider of ['a', 'a', 'a', 'a']) {
      metrics.observe(simple({ provider, ...decided({ candidates: both.slice(0, 1) }) }));
    }
    expect((await reader(metrics))('load_balance_effectiveness')).toBe(1);
    metrics.observe(simple({ provider: 'a', ...decided({ candidates: both }) }));
    expect((await reader(metrics))('load_balance_effectiveness')).toBe(0.5);
    metrics.observe(simple({ provider: 'b', ...decided({ candidates: both }) }));
    expect((await reader(metrics))('load_balance_effectiveness')).toBe(1);
  });

  test('evenness is 1 for equal shares and 1/n for one of n', () => {
    expect(evenness([5, 5, 5])).toBeCloseTo(1);
    expect(evenness([9, 0, 0])).toBeCloseTo(1 / 3);
    expect(evenness([])).toBe(1);
  });

  test('candidates passed over for a state that passes are counted by reason', async () => {
    const metrics = new Metrics();
    const skipped = (reason: Candidate['reason']): Candidate => candidate({ provider: 'vllm', kept: false, reason });
    metrics.observe(simple(decided({ candidates: [skipped('cooling_down'), skipped('lacks_vision')] })));
    const value = await reader(metrics);
    expect(value('switchyard_candidates_passed_over_total{provider="vllm",reason="cooling_down"}')).toBe(1);
    expect(value('switchyard_candidates_passed_over_total{provider="vllm",reason="lacks_vision"}')).toBeUndefined();
  });
});

describe('the names LiteLLM’s guides query', () => {
  test('the duration is a gauge: the mean of the last five minutes', async () => {
    const clock = new FakeClock();
    const metrics = new Metrics({ clock });
    const name = 'litellm_request_duration_seconds{model="qwen3:8b",provider="ollama"}';
    metrics.observe(simple({ durationMs: 1_000 }));
    clock.advance(240_000);
    metrics.observe(simple({ durationMs: 3_000 }));
    expect((await reader(metrics))(name)).toBe(2);
    clock.advance(90_000);
    expect((await reader(metrics))(name)).toBe(3);
    clock.advance(300_000);
    expect((await reader(metrics))(name)).toBeUndefined();
  });

  test('requests, errors and cost go by model and provider; what was saved is against the dearest candidate', async () => {
    const price = { input: 1e-6, output: 2e-6 };
    const dear = { input: 1e-5, output: 2e-5 };
    const priceOf = (provider: string) => (provider === 'ollama' ? price : provider === 'cloud' ? dear : null);
    const metrics = new Metrics({ priceOf });
    const usage = { promptTokens: 1_000, completionTokens: 500, cachedTokens: null, isEstimated: false };
    const candidates = [candidate({}), candidate({ provider: 'cloud', order: 2 })];
    metrics.observe(simple({ usage, ...decided({ candidates }) }));
    metrics.observe(simple({ usage, result: 'broken' }));
    const value = await reader(metrics);
    const labels = '{model="qwen3:8b",provider="ollama"}';
    expect(value(`litellm_requests_total${labels}`)).toBe(2);
    expect(value(`litellm_errors_total${labels}`)).toBe(1);
    expect(value(`litellm_cost_total${labels}`)).toBeCloseTo(0.004);
    expect(value('switchyard_saved_cost_total{provider="ollama"}')).toBeCloseTo(0.018);
  });

  test('a request nobody answered is an error of the deployment that failed last, unless the client left', async () => {
    const metrics = new Metrics({ isListed: () => true });
    const cancelled = { ...failure, kind: 'cancelled' } as const;
    metrics.observe(simple({ ...unanswered, attempts: [attempt({ failure })] }));
    metrics.observe(simple({ ...unanswered, result: 'cancelled', attempts: [attempt({ failure: cancelled })] }));
    const value = await reader(metrics);
    expect(value('litellm_errors_total{model="qwen3:8b",provider="ollama"}')).toBe(1);
  });
});

describe('the state of the providers', () => {
  function provider(changes: Partial<ProviderSnapshot>): ProviderSnapshot {
    return {
      name: 'ollama',
      observed: 'ready',
      isEnabled: true,
      load: { inFlight: 3, queued: 2 },
      ...changes,
    } as ProviderSnapshot;
  }

  test('comes from the snapshot: running, waiting, cooling down, and 1 for the state it is in', async () => {
    const providers = new Map([
      ['ollama', provider({})],
      ['vllm', provider({ name: 'vllm', isEnabled: false, load: { inFlight: 0, queued: 0 } })],
    ]);
    const page = await new Metrics().render({ ...nothing, providers }, new Map([['ollama', 2]]));
    for (const line of [
      'switchyard_in_flight{provider="ollama"} 3',
      'switchyard_queued{provider="ollama"} 2',
      'switchyard_cooling_down{provider="ollama"} 2',
      'switchyard_cooling_down{provider="vllm"} 0',
      'switchyard_provider_state{provider="ollama",state="ready"} 1',
      'switchyard_provider_state{provider="ollama",state="down"} 0',
      'switchyard_provider_state{provider="vllm",state="off"} 1',
      'switchyard_provider_state{provider="vllm",state="ready"} 0',
    ]) {
      expect(page.split('\n')).toContain(line);
    }
  });

  test('the page has the process’s own figures and a type and help for everything', async () => {
    const page = await new Metrics().render(nothing);
    expect(page).toMatch(/^process_resident_memory_bytes \d+$/m);
    const named = new Set([...page.matchAll(/^# TYPE (\w+) (counter|gauge|histogram)$/gm)].map((match) => match[1]));
    const helped = [...page.matchAll(/^# HELP (\w+) \S/gm)].map((match) => match[1]);
    expect(helped).toHaveLength(named.size);
    expect(named.size).toBeGreaterThan(30);
  });
});
