import { describe, expect, it } from 'vitest';
import { humanBytes, humanSeconds } from './format.js';
import { isTold, parseLevel } from './levels.js';
import { Log, type Sink } from './log.js';
import { bytesOf, columnsOf, endOf, printable, quoted, textOf } from './text.js';

describe('names', () => {
  it('keep their bytes, whether they are UTF-8 or not', () => {
    for (const bytes of [
      'plain',
      '\xc3\xa9',
      'a\xffb',
      '\xc3',
      '\xed\xa0\x80',
      '\xef\xbf\xbd',
      '\xff\xef\xbf\xbd',
      '\xf0\x9f\x98\x80\xfe',
    ]) {
      expect(bytesOf(textOf(bytes)).toString('latin1')).toBe(bytes);
    }
  });

  it('cannot steer a terminal', () => {
    expect(printable('a\x1b[31mb\r\n\x07\x9b\u202ec\udcff')).toBe('a\\x1b[31mb\\r\\n\\x07\\x9b\\u202ec\\udcff');
    expect(printable('größe 日本 😀')).toBe('größe 日本 😀');
  });

  it('are quoted in records as duplicity does', () => {
    expect(quoted("a'b\\c\nd\x01é€😀\udcff")).toBe("'a\\x27b\\\\c\\nd\\x01\\xe9\\u20ac\\U0001f600\\udcff'");
  });

  it('are shortened in front to fit a terminal', () => {
    expect(endOf('abcdef', 4)).toBe('…def');
    expect(columnsOf(endOf('日本語日本語', 7))).toBeLessThanOrEqual(7);
    expect(endOf('abc', 3)).toBe('abc');
  });
});

describe('figures', () => {
  // What release 3.2.1 answers.
  it('of sizes have the form of duplicity', () => {
    const known: [number, string][] = [
      [0, '0 bytes'],
      [1, '1 byte'],
      [1023, '1023 bytes'],
      [1024, '1.00 KB'],
      [10_239, '10.00 KB'],
      [10_240, '10.0 KB'],
      [102_399, '100.0 KB'],
      [102_400, '100 KB'],
      [1_048_575, '1024 KB'],
      [1_048_576, '1.00 MB'],
      [123_456_789, '118 MB'],
      [5 * 2 ** 30, '5.00 GB'],
      [5 * 2 ** 40, '5.00 TB'],
      [-5000, '-4.88 KB'],
    ];
    for (const [bytes, text] of known) expect(humanBytes(bytes)).toBe(text);
  });

  it('of durations have the form of duplicity', () => {
    const known: [number, string][] = [
      [0, '0 seconds'],
      [0.2, '0.20 seconds'],
      [1, '1 second'],
      [59.99, '59.99 seconds'],
      [60, '1 minute'],
      [61.5, '1 minute 1.50 seconds'],
      [3600, '1 hour'],
      [3661, '1 hour 1 minute 1 second'],
      [176_461.5, '49 hours 1 minute 1.50 seconds'],
      [7325, '2 hours 2 minutes 5 seconds'],
    ];
    for (const [seconds, text] of known) expect(humanSeconds(seconds)).toBe(text);
  });
});

describe('verbosity', () => {
  it('is a number, a letter or a word', () => {
    expect(['0', '1', '2', '3', '4', '5', '8', '9'].map(parseLevel)).toEqual([
      'error',
      'warning',
      'warning',
      'notice',
      'notice',
      'info',
      'info',
      'debug',
    ]);
    expect(['e', 'W', 'notice', 'Info', 'd'].map(parseLevel)).toEqual(['error', 'warning', 'notice', 'info', 'debug']);
    expect(() => parseLevel('10')).toThrow('can\'t be "10"');
    expect(isTold('warning', 'error')).toBe(false);
    expect(isTold('error', 'error')).toBe(true);
  });
});

describe('the log', () => {
  function sink(isTerminal: boolean): Sink & { text(): string } {
    const parts: Uint8Array[] = [];
    return {
      isTerminal,
      write: (bytes) => void parts.push(bytes),
      text: () => Buffer.concat(parts).toString('latin1'),
    };
  }

  function logTo(options: Partial<Log['options']> = {}) {
    const [out, err, records] = [sink(options.out?.isTerminal ?? false), sink(false), sink(false)];
    const log = new Log({
      verbosity: 'notice',
      timestamps: false,
      json: false,
      colours: false,
      ...options,
      out,
      err,
      records: [records],
    });
    return { log, out, err, records };
  }

  it('sends errors to one stream and everything else to the other, below its level to neither', () => {
    const { log, out, err, records } = logTo();
    log.warning('careful');
    log.info('detail');
    log.message({ level: 'error', code: 23, lines: ['wrong', '  do this'] });
    expect(out.text()).toBe('careful\n');
    expect(err.text()).toBe('wrong\n  do this\n');
    expect(records.text()).toBe('WARNING 1\n. careful\n\nERROR 23\n. wrong\n.   do this\n\n');
  });

  it('prints raw names into pipes and safe ones on terminals', () => {
    const message = { level: 'notice', lines: [`x ${textOf('\x1b[2J\xff')}`] } as const;
    const piped = logTo();
    piped.log.message(message);
    expect(piped.out.text()).toBe('x \x1b[2J\xff\n');
    const terminal = logTo({ out: sink(true) });
    terminal.log.message(message);
    expect(terminal.out.text()).toBe('x \\x1b[2J\\udcff\n');
  });

  it('keeps text out of a JSON stream', () => {
    const { log, out } = logTo({ json: true });
    log.notice('hello');
    log.json({ type: 'notice', message: 'x' });
    log.flush();
    expect(out.text()).toBe('{"type":"notice","message":"x"}\n');
  });
});
