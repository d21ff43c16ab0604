// All operations of the admin API that are described by their schemas.

import { configOperations } from './config.ts';
import { healthOperations } from './health.ts';
import { machineOperations } from './machine.ts';
import type { Operation } from './operation.ts';
import { providerOperations } from './providers.ts';
import { requestOperations } from './requests.ts';

export const operations: readonly Operation[] = [
  ...requestOperations,
  ...providerOperations,
  ...configOperations,
  ...healthOperations,
  ...machineOperations,
];
