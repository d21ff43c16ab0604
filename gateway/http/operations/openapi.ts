// The OpenAPI 3.1 document of the admin API, made from the schemas that validate its input.

import * as z from 'zod';
import { errorCatalogue } from '../../errors.ts';
import type { OperationAbout } from './operation.ts';

/** One method of one path as it is served; `about` is null where nothing is said of it. */
export interface ServedOperation {
  readonly method: string;
  /** As Express writes it: `/admin/providers/:name`. */
  readonly path: string;
  readonly about: OperationAbout | null;
}

type Json = Readonly<Record<string, unknown>>;

const errorSchema: Json = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'code'],
      properties: {
        message: { type: 'string', description: 'A sentence for people.' },
        type: { type: 'string' },
        code: { type: 'string', enum: Object.keys(errorCatalogue) },
        param: { type: ['string', 'null'], description: 'The path of the field at fault.' },
      },
    },
  },
};

/** The document; `version` is the product's. */
export function openApiDocument(served: readonly ServedOperation[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const { method, path, about } of served) {
    const template = path.replace(/:(\w+)/g, '{$1}').replace(/\*(\w+)/g, '{$1}');
    paths[template] = { ...paths[template], [method.toLowerCase()]: operationObject(path, about) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Switchyard admin API',
      version,
      description: 'For this machine only, with the management token (or the session of the window).',
    },
    security: [{ managementToken: [] }],
    paths,
    components: {
      securitySchemes: { managementToken: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: errorSchema },
    },
  };
}

function operationObject(path: string, about: OperationAbout | null): Json {
  const { answerType = 'application/json', answers = '', summary = '', body, query } = about ?? {};
  return {
    summary,
    parameters: [...pathParameters(path), ...(query === undefined ? [] : queryParameters(query))],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body) } } } }),
    responses: {
      200: { description: answers, content: { [answerType]: {} } },
      default: {
        description: 'What went wrong.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/[:*](\w+)/g)].map((found) => ({
    name: found[1],
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(query: z.ZodObject): Json[] {
  return Object.entries(query.shape).map(([name, field]) => {
    const { description, ...schema } = schemaOf(field as z.ZodType);
    return {
      name,
      in: 'query',
      required: !z.safeParse(field, undefined).success,
      ...(description === undefined ? {} : { description }),
      schema,
    };
  });
}

/** What is sent, not what is made of it. */
function schemaOf(schema: z.ZodType): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    reused: 'inline',
    unrepresentable: 'any',
  });
  return rest;
}
