import fc from 'fast-check';
import { expect, test } from 'vitest';
import { samplesOf, sumOf } from '../../gateway/providers/prometheus.ts';
import { recorded } from './recordings.ts';

const page = recorded('vllm/metrics_while_6_streams').text;

test('a gauge is summed over its label sets, and one of a longer name is another', () => {
  expect(sumOf(page, 'vllm:num_requests_running')).toBe(4);
  expect(sumOf(page, 'vllm:num_requests_waiting')).toBe(2);
  expect(sumOf(page, 'vllm:num_requests')).toBeNull();
  expect(sumOf(recorded('llama-server/busy-metrics').text, 'llamacpp:requests_deferred')).toBe(1);
});

test('labels are told beside the value', () => {
  const states = samplesOf(page, 'vllm:engine_sleep_state');
  expect(states).toHaveLength(3);
  expect(states.find(({ labels }) => labels.includes('sleep_state="awake"'))?.value).toBe(1);
});

test.each<[string, number | null]>([
  ['m 5', 5],
  ['m{a="}"} 5', 5],
  ['m{a="{ 7"} 5 1700000000000', 5],
  ['# HELP m 3\nm\t5\n', 5],
  ['x 1\nm 2\nm{a="1"} 3\nmm 9', 5],
  ['m5 7', null],
  ['m NaN', null],
  ['m{a="1"', null],
  ['m', null],
  ['', null],
])('%j has %s', (text, sum) => {
  expect(sumOf(text, 'm')).toBe(sum);
});

test('no page is too strange to look into', () => {
  const line = fc.oneof(fc.string(), fc.constantFrom('m 1', 'm{', 'm}', 'm{a="b"} 2', '\n', 'm{} ', 'm -Inf'));
  fc.assert(
    fc.property(
      fc.array(line).map((lines) => lines.join('\n')),
      (text) => {
        const sum = sumOf(text, 'm');
        expect(sum === null || Number.isFinite(sum)).toBe(true);
      },
    ),
  );
});
