/**
 * What an expression of PromQL asks for, compared with the series that there are. Guarantee: an expression passes
 * only when every name is one of a series, every label one that it has where it is used, every rate one of a counter,
 * and both sides of a comparison can match. Of PromQL it understands what rules and dashboard use, and throws on
 * anything else.
 */
import { parser } from '@prometheus-io/lezer-promql';
import type { SyntaxNode } from '@lezer/common';

export interface Series {
  readonly kind: 'counter' | 'gauge';
  readonly labels: ReadonlySet<string>;
}

/** Values that a label can have; what is not here may be anything. */
export type LabelValues = ReadonlyMap<string, ReadonlySet<string>>;

export interface Known {
  readonly series: ReadonlyMap<string, Series>;
  readonly values?: LabelValues;
}

/** Labels of the result; null for a number. */
type Labels = ReadonlySet<string> | null;

const OF_COUNTERS = new Set(['rate', 'irate', 'increase', 'resets']);
const OF_GAUGES = new Set(['delta', 'deriv', 'changes']);
const SET_OPERATORS = new Set(['And', 'Unless']);
const LITERALS = new Set(['NumberDurationLiteral', 'StringLiteral']);
const PARTS = new Set(['MatchingModifierClause', 'BoolModifier', 'DurationExpr', 'OffsetDurationExpr']);

/** Labels that the series of the result have; throws on what cannot be. */
export function labelsOf(expression: string, known: Known): Labels {
  const tree = parser.parse(expression);
  const text = (node: SyntaxNode): string => expression.slice(node.from, node.to);
  tree.iterate({
    enter: (node) => {
      if (node.type.isError) throw new Error(`not PromQL at ${node.from}: ${expression}`);
    },
  });
  const top = tree.topNode.firstChild;
  if (!top) throw new Error('no expression');
  return new Reader(text, known).read(top);
}

class Reader {
  readonly #text: (node: SyntaxNode) => string;
  readonly #known: Known;

  constructor(text: (node: SyntaxNode) => string, known: Known) {
    this.#text = text;
    this.#known = known;
  }

  read(node: SyntaxNode): Labels {
    switch (node.name) {
      case 'NumberDurationLiteral':
        return null;
      case 'ParenExpr':
      case 'MatrixSelector':
      case 'OffsetExpr':
      case 'SubqueryExpr':
        return this.read(only(operandsOf(node)));
      case 'VectorSelector':
        return this.#select(node);
      case 'AggregateExpr':
        return this.#aggregate(node);
      case 'FunctionCall':
        return this.#call(node);
      case 'BinaryExpr':
        return this.#combine(node);
      default:
        throw new Error(`not understood: ${node.name} ${this.#text(node)}`);
    }
  }

  #seriesOf(selector: SyntaxNode): Series & { readonly name: string } {
    const identifier = selector.getChild('Identifier');
    if (!identifier) throw new Error(`a selector without a name: ${this.#text(selector)}`);
    const name = this.#text(identifier);
    const series = this.#known.series.get(name);
    if (!series) throw new Error(`no metric is called ${name}`);
    return { ...series, name };
  }

  #select(selector: SyntaxNode): Labels {
    const { name, labels } = this.#seriesOf(selector);
    for (const matcher of selector.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []) {
      const label = this.#text(only(matcher.getChildren('LabelName')));
      if (!labels.has(label)) throw new Error(`${name} has no label ${label}`);
      this.#checkValue(label, JSON.parse(this.#text(only(matcher.getChildren('StringLiteral')))) as string);
    }
    return labels;
  }

  #checkValue(label: string, pattern: string): void {
    const values = this.#known.values?.get(label);
    if (!values) return;
    for (const value of pattern.split('|'))
      if (!values.has(value)) throw new Error(`no ${label} is ${value}`);
  }

  #aggregate(node: SyntaxNode): Labels {
    const operator = this.#text(only(node.getChildren('AggregateOp')));
    const inner = this.read(lastOf(operandsOf(only(node.getChildren('FunctionCallBody')))));
    if (inner === null) throw new Error(`${operator} of a number`);
    if (operator === 'topk' || operator === 'bottomk') return inner;
    const modifier = node.getChild('AggregateModifier');
    if (!modifier) return new Set();
    const named = this.#grouping(only(modifier.getChildren('GroupingLabels')));
    requireIn(named, inner, this.#text(node));
    if (modifier.getChild('By')) return named;
    return new Set([...inner].filter((label) => !named.has(label)));
  }

  #call(node: SyntaxNode): Labels {
    const name = this.#text(only(node.getChildren('FunctionIdentifier')));
    const operands = operandsOf(only(node.getChildren('FunctionCallBody')));
    const labels = operands.map((operand) => (LITERALS.has(operand.name) ? null : this.read(operand)));
    const inner = labels.find((one) => one !== null) ?? null;
    if (OF_COUNTERS.has(name)) this.#requireKind(node, 'counter');
    if (OF_GAUGES.has(name)) this.#requireKind(node, 'gauge');
    if (name === 'absent') return new Set();
    if (name !== 'histogram_quantile') return inner;
    if (!inner?.has('le')) throw new Error(`not the buckets of a histogram: ${this.#text(node)}`);
    return new Set([...inner].filter((label) => label !== 'le'));
  }

  #requireKind(node: SyntaxNode, kind: Series['kind']): void {
    node.cursor().iterate(({ node: inner }) => {
      if (inner.name !== 'VectorSelector') return;
      const { name, kind: found } = this.#seriesOf(inner);
      if (found !== kind) throw new Error(`${name} is a ${found}: ${this.#text(node)}`);
    });
  }

  #combine(node: SyntaxNode): Labels {
    const [left, right] = operandsOf(node).map((operand) => this.read(operand));
    if (left === undefined || right === undefined) throw new Error(`not understood: ${this.#text(node)}`);
    if (left === null || right === null) return left ?? right;
    const clause = node.getChild('MatchingModifierClause');
    const operator = childrenOf(node).find(({ name }) => SET_OPERATORS.has(name));
    if (clause) {
      if (!clause.getChild('On') || clause.getChildren('GroupingLabels').length > 1)
        throw new Error(`not understood: ${this.#text(clause)}`);
      const on = this.#grouping(only(clause.getChildren('GroupingLabels')));
      requireIn(on, left, this.#text(node));
      requireIn(on, right, this.#text(node));
      return operator ? left : on;
    }
    const isSame = left.size === right.size && [...left].every((label) => right.has(label));
    if (!isSame)
      throw new Error(
        `the sides never match: ${[...left].join()} and ${[...right].join()}: ${this.#text(node)}`,
      );
    return left;
  }

  #grouping(labels: SyntaxNode): Set<string> {
    return new Set(labels.getChildren('LabelName').map((label) => this.#text(label)));
  }
}

function requireIn(named: ReadonlySet<string>, labels: ReadonlySet<string>, where: string): void {
  for (const label of named)
    if (!labels.has(label)) throw new Error(`nothing has the label ${label}: ${where}`);
}

function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (let child = node.firstChild; child; child = child.nextSibling) children.push(child);
  return children;
}

/** Expressions and literals among the children; names of operators have no children and are none. */
function operandsOf(node: SyntaxNode): SyntaxNode[] {
  return childrenOf(node).filter(
    ({ name, firstChild }) => (firstChild && !PARTS.has(name)) || LITERALS.has(name),
  );
}

function only<T>(all: readonly T[]): T {
  const [one] = all;
  if (one === undefined || all.length > 1) throw new Error(`not understood: ${all.length} in place of one`);
  return one;
}

function lastOf<T>(all: readonly T[]): T {
  const last = all.at(-1);
  if (last === undefined) throw new Error('not understood: nothing in it');
  return last;
}
