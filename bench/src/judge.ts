/**
 * What a run came to: which targets were reached, and which promises were broken.
 */
import { CORRECTNESS, type Findings, type Target } from './bench.ts';
import { figure, limit } from './figures.ts';

/** A target with what became of it. A number that was not measured reaches nothing. */
export interface JudgedTarget extends Target {
  readonly value: number;
  readonly reached: boolean;
}

export function judged({ targets, ratios }: Pick<Findings, 'targets' | 'ratios'>): JudgedTarget[] {
  return targets.map((target) => {
    const { ratio, atLeast = -Infinity, atMost = Infinity } = target;
    const value = ratios[ratio] ?? Number.NaN;
    return { ...target, value, reached: value >= atLeast && value <= atMost };
  });
}

/** `✗ frameworkUsPerRecord 1.41, at most 1 wanted` */
export function sentenceOf({ ratio, atLeast, atMost, value, reached }: JudgedTarget): string {
  const wanted = [
    ...(atLeast === undefined ? [] : [`at least ${limit(atLeast)}`]),
    ...(atMost === undefined ? [] : [`at most ${limit(atMost)}`]),
  ];
  return `${reached ? '✓' : '✗'} ${ratio} ${figure(value)}, ${wanted.join(' and ')} wanted`;
}

/** What fails a run: records that promised rows lost, duplicated or disordered, and required targets not reached. */
export function brokenPromises(findings: Pick<Findings, 'rows' | 'promises' | 'targets' | 'ratios'>): string[] {
  const counted = findings.rows
    .filter(({ name }) => findings.promises.includes(name))
    .flatMap(({ name, values }) =>
      CORRECTNESS.filter((key) => (values[key] ?? 0) > 0).map((key) => `${name}: ${key} ${values[key]}`),
    );
  const missed = judged(findings).filter(({ required, reached }) => required && !reached);
  return [...counted, ...missed.map(sentenceOf)];
}
