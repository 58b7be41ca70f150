import { afterEach, describe, expect, test, vi } from 'vitest';
import { KafkaError } from './errors.ts';
import { Events } from './events.ts';

const warning = new KafkaError('ERR_KAFKA', 'broker away', { kafkaCode: -195 });

afterEach(() => vi.restoreAllMocks());

describe('Events', () => {
  test('every listener of an event gets it, in the order they came', () => {
    const events = new Events();
    const heard: string[] = [];
    events.on('state', ({ to }) => void heard.push(`first ${to}`));
    events.on('state', ({ from }) => void heard.push(`second ${from}`));
    events.on('lost', () => void heard.push('lost'));
    events.emit('state', { from: 'starting', to: 'running' });
    expect(heard).toEqual(['first running', 'second starting']);
  });

  test('a listener that was removed hears nothing, the others do', () => {
    const events = new Events();
    const heard: string[] = [];
    const remove = events.on('warning', () => void heard.push('first'));
    events.on('warning', () => void heard.push('second'));
    remove();
    remove();
    events.emit('warning', warning);
    expect(heard).toEqual(['second']);
  });

  test('a listener may remove itself while it listens', () => {
    const events = new Events();
    const heard: string[] = [];
    const remove = events.on('warning', () => {
      heard.push('once');
      remove();
    });
    events.on('warning', () => void heard.push('always'));
    events.emit('warning', warning);
    events.emit('warning', warning);
    expect(heard).toEqual(['once', 'always', 'always']);
  });

  test('an event that nobody listens to is gone', () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue();
    new Events().emit('committed', { offsets: [] });
    expect(emitWarning).not.toHaveBeenCalled();
  });

  test("a warning that nobody listens to is a warning of Node's", () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const events = new Events();
    events.emit('warning', warning);
    expect(emitWarning.mock.calls).toEqual([[warning]]);
    const remove = events.on('warning', () => undefined);
    events.emit('warning', warning);
    expect(emitWarning).toHaveBeenCalledTimes(1);
    remove();
    events.emit('warning', warning);
    expect(emitWarning).toHaveBeenCalledTimes(2);
  });

  test('a listener that throws breaks neither the one who emits nor the other listeners, and is not silenced', () => {
    const later: (() => void)[] = [];
    vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((callback) => void later.push(callback));
    const events = new Events();
    const heard: string[] = [];
    events.on('lost', () => {
      throw new RangeError("the listener's own");
    });
    events.on('lost', () => void heard.push('second'));
    events.emit('lost', { partitions: [] });
    expect([heard, later.length]).toEqual([['second'], 1]);
    expect(later[0]).toThrow(RangeError);
  });
});
