// `switchyard discover`

import { discover } from '../catalog/discovery.ts';
import { discoveredAsYaml } from '../catalog/discovery-yaml.ts';
import { systemClock } from '../clock.ts';
import { type CommandInput, exitCode } from './arguments.ts';
import { findGateway } from './target.ts';

/** Asks the usual ports now, whether or not a gateway runs; what is printed can be kept as `switchyard.yaml`. */
export async function discoverServers(input: CommandInput): Promise<number> {
  const { port } = await findGateway(input);
  const found = await discover({
    clock: systemClock,
    ollamaHost: process.env.OLLAMA_HOST,
    // Asking ourselves would find every server a second time.
    ownPorts: [port],
    known: [],
  });
  if (!input.isJson) {
    process.stdout.write(discoveredAsYaml(found));
    return exitCode.done;
  }
  const plain = found.map(({ provider, product, version, modelCount }) => ({
    name: provider.name,
    kind: provider.kind,
    base_url: provider.baseUrl,
    product,
    version,
    models: modelCount,
  }));
  console.log(JSON.stringify(plain, null, 2));
  return exitCode.done;
}
