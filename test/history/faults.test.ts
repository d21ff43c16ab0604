import { describe, expect, test } from 'vitest';
import { faultOf, HistoryFault, whyNoDatabase } from '../../gateway/history/faults.ts';

function withCode(code: string): Error {
  return Object.assign(new Error('its own words'), { code });
}

describe('a fault is named by what can be done about it', () => {
  test.each([
    ['SQLITE_FULL', 'passing', 'is full'],
    ['ENOSPC', 'passing', 'is full'],
    ['SQLITE_BUSY_SNAPSHOT', 'passing', 'locked by another program'],
    ['SQLITE_IOERR_WRITE', 'passing', 'its own words'],
    ['SQLITE_READONLY_DIRECTORY', 'lasting', 'cannot be written'],
    ['EACCES', 'lasting', 'cannot be written'],
    ['SQLITE_CANTOPEN_ISDIR', 'lasting', 'cannot be opened'],
    ['SQLITE_NOTADB', 'corrupt', 'is damaged'],
    ['SQLITE_CORRUPT_INDEX', 'corrupt', 'is damaged'],
    ['ERR_OUT_OF_RANGE', 'rows', 'its own words'],
  ])('%s is %s', (code, faultClass, words) => {
    const fault = faultOf(withCode(code), '/data/history.db');
    expect(fault.class).toBe(faultClass);
    expect(fault.because).toContain(words);
  });

  test('an error without a code lies with the rows', () => {
    expect(faultOf(new RangeError('ends too early'), 'history.db').class).toBe('rows');
  });

  test('a fault that was named where it was found keeps its name', () => {
    const fault = faultOf(new HistoryFault('final', 'written by a newer version'), 'history.db');
    expect(fault).toEqual({ class: 'final', because: 'written by a newer version' });
  });
});

test('below Node-API 10 the database is not touched', () => {
  expect(whyNoDatabase('9')).toContain('too old');
  expect(whyNoDatabase(undefined)).toContain('too old');
  expect(whyNoDatabase('10')).toBeNull();
  expect(whyNoDatabase('11')).toBeNull();
});
