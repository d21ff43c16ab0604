// Real servers killed while they answer: what the official client sees, what the record says, what the others notice.
// The killed model has to be slow enough; a second server, named as for the other tests, takes over.

import { APIError } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { modelOf, openai, outcomeOf, providerOf, streamChat } from './clients.ts';
import { freePort, killableServers, type RunningServer, startServer } from './killable.ts';
import { type PresentServer, presentServers, type RealServer } from './servers.ts';

const startLimitMs = 600_000;
const SHORTER_THAN_A_COOLDOWN_MS = 25_000;

for (const { name, kind, variable, command } of killableServers) {
  const other = presentServers.find((server) => server.kind !== kind);
  const isAbsent = command === null || other === undefined;
  describe.skipIf(isAbsent)(`${name}${isAbsent ? ` (${variable} is not set, or no second server)` : ''}`, () => {
    const victim: RealServer = { name: 'victim', kind, variable, url: null };
    let port: number;
    let model: string;
    let otherModel: string;
    let server: RunningServer;
    let gateway: TestGateway;

    beforeAll(async () => {
      if (command === null || other === undefined) return;
      port = await freePort();
      server = await startServer(command, port);
      ({ model, otherModel } = await namesOf(server, { ...victim, url: server.url }, other));
      gateway = await testGateway(`
providers:
  victim: { kind: ${kind}, base_url: "${server.url}" }
  ${other.name}: { kind: ${other.kind}, base_url: "${other.url}", default_model: "${otherModel}" }
exact_matches:
  "${model}": { provider: victim, fallback: ${other.name} }
`);
    }, startLimitMs);

    afterAll(async () => {
      await gateway?.close();
      await server?.[Symbol.asyncDispose]();
    });

    test('killed in mid-answer: its client raises an error, and streams elsewhere go on', async () => {
      if (other === undefined) return;
      await modelOf(gateway, victim);
      const client = openai(gateway, victim);
      // Unpinned: a fallback would be allowed, and still must not be used once the client has words.
      const hit = streamChat(client.withOptions({ defaultHeaders: {} }), model, {
        maxTokens: 400,
        onPiece: (pieces) => {
          if (pieces === 3) server.kill();
        },
      });
      const spared = streamChat(openai(gateway, other), otherModel, { maxTokens: 200 });
      const [cut, whole] = await Promise.all([hit, spared]);
      expect(cut.pieces).toBeGreaterThanOrEqual(3);
      expect(cut.error).toBeInstanceOf(APIError);
      expect(cut.finish).toBeNull();
      expect(whole).toMatchObject({ error: null, finish: expect.stringMatching(/stop|length/) });
      const outcome = await outcomeOf(gateway, cut.requestId);
      expect(outcome).toMatchObject({
        result: 'broken',
        provider: 'victim',
        attempts: [{ failure: { kind: 'broken' } }],
      });
      console.log(`${name}: client raised "${String(cut.error)}"; record: ${outcome.attempts[0]?.failure?.message}`);
    });

    test('while it is gone, its model is answered by the fallback at once', async () => {
      if (other === undefined) return;
      const client = openai(gateway, victim).withOptions({ defaultHeaders: {} });
      const chat = await streamChat(client, model, { maxTokens: 4 });
      expect(chat).toMatchObject({ error: null, finish: expect.stringMatching(/stop|length/) });
      expect((await outcomeOf(gateway, chat.requestId)).provider).toBe(other.name);
    });

    test(
      'killed before its first word: another provider answers, and the client sees no failure',
      async () => {
        if (command === null || other === undefined) return;
        server = await startServer(command, port);
        await modelOf(gateway, victim);
        const client = openai(gateway, victim).withOptions({ defaultHeaders: {} });
        // Frozen, it takes the request and says nothing: killed then, no word of it can have got out.
        server.freeze();
        const asked = streamChat(client, model, { maxTokens: 6 });
        await expect.poll(async () => (await providerOf(gateway, victim)).inFlight).toBe(1);
        server.kill();
        const chat = await asked;
        expect(chat).toMatchObject({ error: null, finish: expect.stringMatching(/stop|length/) });
        const { result, attempts } = await outcomeOf(gateway, chat.requestId);
        expect(result).toBe('complete');
        expect(attempts.map(({ provider }) => provider)).toEqual(['victim', other.name]);
        console.log(`${name}: first attempt ${attempts[0]?.failure?.kind}: ${attempts[0]?.failure?.message}`);
      },
      startLimitMs,
    );

    test(
      'started again, it is asked again without waiting for any cooldown to pass',
      async () => {
        if (command === null) return;
        server = await startServer(command, port);
        const startedAt = performance.now();
        // Unpinned: the fallback could answer, and does until the gateway has noticed.
        const client = openai(gateway, victim).withOptions({ defaultHeaders: {} });
        const answeredBy = async () => {
          const chat = await streamChat(client, model, { maxTokens: 2 });
          expect(chat.error).toBeNull();
          return (await outcomeOf(gateway, chat.requestId)).provider;
        };
        await expect.poll(answeredBy, { timeout: SHORTER_THAN_A_COOLDOWN_MS, interval: 250 }).toBe('victim');
        console.log(`${name}: asked again ${Math.round(performance.now() - startedAt)} ms after it listed its models`);
      },
      startLimitMs,
    );

    test('only the process that runs the model killed in mid-answer: however its stream ends, it is an error', async (context) => {
      await modelOf(gateway, victim);
      let killed = 0;
      const cut = await streamChat(openai(gateway, victim), model, {
        maxTokens: 400,
        onPiece: (pieces) => {
          if (pieces === 3) killed = server.killChildren();
        },
      });
      if (killed === 0) return context.skip('it has no such process');
      expect(cut.error).toBeInstanceOf(APIError);
      const outcome = await outcomeOf(gateway, cut.requestId);
      expect(outcome).toMatchObject({ result: 'broken', attempts: [{ failure: { kind: 'broken' } }] });
      console.log(`${name}: client raised "${String(cut.error)}"; record: ${outcome.attempts[0]?.failure?.message}`);
    });
  });
}

/** The models to ask for, as a gateway sees them: on the victim the slowest that it has. */
async function namesOf(server: RunningServer, victim: RealServer, other: PresentServer) {
  const providers = `providers:
  victim: { kind: ${victim.kind}, base_url: "${server.url}" }
  ${other.name}: { kind: ${other.kind}, base_url: "${other.url}" }
`;
  await using looker = await testGateway(providers);
  const first = await modelOf(looker, victim);
  const { models } = await providerOf(looker, victim);
  const [largest] = models.toSorted((a, b) => (b.size ?? 0) - (a.size ?? 0));
  return { model: largest?.id ?? first, otherModel: await modelOf(looker, other) };
}
