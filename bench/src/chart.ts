/**
 * The picture of what a scenario found: horizontal bars, drawn on a light card of its own, so that it can be read on a
 * dark page too.
 */
import * as echarts from 'echarts';
import type { Chart, Column, Row } from './bench.ts';
import { figure } from './figures.ts';
import { kindOf } from './kind.ts';

// All sizes in pixels.
const WIDTH = 960;
/** The picture grows where names leave less. */
const BARS_WIDTH_MIN = 400;
const BAR = 16;
const BAR_GAP = 3;
const ROW_GAP = 16;
const MARGIN = 24;
const TITLE = 36;
const LEGEND = 28;
const AXIS = 56;
/** Behind the longest bar, for its value. */
const VALUE = 96;
const FONT_SIZE = 13;
/** Of a wide font; text cannot be measured here, and names must never be cut off. */
const CHARACTER = 7.6;
/** Between a name and its bars. */
const NAME_GAP = 8;
const WHISKER = 4;

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";
const INK = '#1f2933';
const FAINT_INK = '#5f6b7a';
const LINES = '#e4e8ed';
const CARD = '#ffffff';
/** Keylane's series, the first one darkest. */
const ACCENTS = ['#1d4ed8', '#6c97f5', '#b5cbfb'] as const;
const MUTED = ['#9aa5b1', '#b9c2cc', '#d5dbe1'] as const;
/** Over the bars of what may lose records. */
const HATCH = { symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [3, 4], rotation: Math.PI / 4, color: CARD } as const;

interface Picture {
  readonly rows: readonly Row[];
  /** For the digits of the values. */
  readonly columns: readonly Column[];
  readonly chart: Chart;
}

/** As SVG. Throws where there is nothing to draw. */
export function svgOf({ rows: all, columns, chart }: Picture): string {
  const rows = all.filter(({ name }) => chart.rows?.includes(name) ?? true);
  if (rows.length === 0) throw new Error(`the chart "${chart.title}" has no rows`);
  const names = rows.map(({ name }) => name);
  const left = MARGIN + NAME_GAP + Math.max(...names.map((name) => name.length)) * CHARACTER;
  const top = MARGIN + TITLE + (chart.series.length > 1 ? LEGEND : 0);
  const band = chart.series.length * (BAR + BAR_GAP) - BAR_GAP + ROW_GAP;
  const barsWidth = Math.max(BARS_WIDTH_MIN, WIDTH - left - VALUE);
  const width = Math.ceil(left + barsWidth + VALUE);
  const height = top + rows.length * band + AXIS;

  const picture = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  picture.setOption({
    animation: false,
    textStyle: { fontFamily: FONT, fontSize: FONT_SIZE, color: INK },
    graphic: card(width, height),
    title: { text: chart.title, left: MARGIN, top: MARGIN, textStyle: { fontSize: 17, color: INK } },
    legend: {
      show: chart.series.length > 1,
      data: chart.series.map(({ name }) => name),
      left: MARGIN,
      top: MARGIN + TITLE - 4,
      itemWidth: 14,
      itemHeight: 10,
      itemGap: 18,
    },
    grid: { left, top, width: barsWidth, height: rows.length * band, outerBoundsMode: 'none' },
    xAxis: valueAxis(rows, chart),
    yAxis: nameAxis(names),
    series: chart.series.flatMap((_, index) => [
      bars(rows, chart, index),
      valuesAndWhiskers(rows, chart, index, columns),
    ]),
  });
  const svg = picture.renderToSVGString();
  picture.dispose();
  return `${svg}\n`;
}

function card(width: number, height: number): object {
  return {
    type: 'rect',
    silent: true,
    z: -10,
    shape: { x: 0.5, y: 0.5, width: width - 1, height: height - 1, r: 10 },
    style: { fill: CARD, stroke: LINES },
  };
}

function valueAxis(rows: readonly Row[], { axis, logarithmic, series }: Chart): object {
  const positive = rows.flatMap(({ values }) => series.map(({ key }) => values[key] ?? 0)).filter((value) => value > 0);
  return {
    type: logarithmic ? 'log' : 'value',
    ...(logarithmic && positive.length > 0 && { min: startOf(positive), startValue: startOf(positive) }),
    name: logarithmic ? `${axis} (logarithmic)` : axis,
    nameLocation: 'middle',
    nameGap: 30,
    nameTextStyle: { color: FAINT_INK },
    axisLabel: { color: FAINT_INK, hideOverlap: true, formatter: (value: number) => value.toLocaleString('en-US') },
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: LINES } },
  };
}

/** Where bars of a logarithmic axis begin: below the least, so that it can be seen. */
function startOf(positive: readonly number[]): number {
  return 10 ** Math.floor(Math.log10(Math.min(...positive) * 0.99));
}

function nameAxis(names: readonly string[]): object {
  return {
    type: 'category',
    data: names,
    inverse: true,
    axisLine: { lineStyle: { color: FAINT_INK } },
    axisTick: { show: false },
    axisLabel: {
      interval: 0,
      margin: NAME_GAP,
      fontSize: FONT_SIZE,
      color: (name?: string | number) => (kindOf(String(name)) === 'keylane' ? ACCENTS[0] : INK),
    },
  };
}

function bars(rows: readonly Row[], chart: Chart, index: number): object {
  const { key, name } = chart.series[index] as Chart['series'][number];
  const data = rows.map((row) => {
    const hatched = [row.name, name].some((text) => kindOf(text) === 'unsafe');
    return {
      value: row.values[key] ?? null,
      itemStyle: { color: colourOf(row.name, rows, chart, index), ...(hatched && { decal: HATCH }) },
    };
  });
  return {
    type: 'bar',
    name,
    data,
    itemStyle: { color: colourOf('', rows, chart, index) },
    barWidth: BAR,
    barGap: `${(BAR_GAP / BAR) * 100}%`,
    silent: true,
  };
}

/** Colour says whose it is, and its shade which series. */
function colourOf(row: string, rows: readonly Row[], { series }: Chart, index: number): string {
  const name = series[index]?.name ?? '';
  const shades = (ours: boolean) => (ours ? ACCENTS : MUTED)[Math.min(index, ACCENTS.length - 1)] as string;
  if (series.some((other) => kindOf(other.name) === 'keylane')) {
    return kindOf(name) === 'keylane' ? ACCENTS[0] : shades(false);
  }
  // The legend's own colour, and all of a scenario without peers: Keylane's.
  return shades(row === '' || kindOf(row) === 'keylane' || rows.every((other) => kindOf(other.name) !== 'keylane'));
}

/** What ECharts says of an item to be drawn. */
interface CustomItem {
  readonly dataIndex: number;
  /** Of the bars' own space; `x` is where they begin. */
  readonly coordSys: { readonly x: number };
}

/** What the bars cannot say: the number, and the least and the most of the runs. */
function valuesAndWhiskers(rows: readonly Row[], chart: Chart, index: number, columns: readonly Column[]): object {
  const { key } = chart.series[index] as Chart['series'][number];
  const digits = columns.find((column) => column.key === key)?.digits;
  const below = (index - (chart.series.length - 1) / 2) * (BAR + BAR_GAP);
  return {
    type: 'custom',
    data: rows.map(({ values }, row) => [values[key] ?? null, row]),
    silent: true,
    clip: false,
    z: 3,
    renderItem({ dataIndex, coordSys }: CustomItem, api: { coord(at: readonly number[]): [number, number] }) {
      const { values, spread } = rows[dataIndex] as Row;
      const value = values[key];
      if (typeof value !== 'number') return undefined;
      const [least, most] = spread[key] ?? [value, value];
      // A logarithmic axis has no place for 0: it is where the bars begin.
      const across = (of: number) =>
        chart.logarithmic && of <= 0 ? coordSys.x : Math.max(coordSys.x, api.coord([of, dataIndex])[0]);
      const [at, from, to] = [across(value), across(least), across(most)];
      const y = api.coord([1, dataIndex])[1] + below;
      const text = {
        type: 'text',
        style: {
          text: figure(value, digits),
          x: Math.max(at, to) + 7,
          y,
          verticalAlign: 'middle',
          fill: INK,
          font: `${FONT_SIZE}px ${FONT}`,
        },
      };
      const children = least === most ? [text] : [...whisker(from, to, y), text];
      return { type: 'group', children };
    },
  };
}

function whisker(from: number, to: number, y: number): object[] {
  const lines = [
    { x1: from, y1: y, x2: to, y2: y },
    ...[from, to].map((x) => ({ x1: x, y1: y - WHISKER, x2: x, y2: y + WHISKER })),
  ];
  const drawn = (stroke: string, lineWidth: number) =>
    lines.map((shape) => ({ type: 'line', shape, style: { stroke, lineWidth } }));
  // With a light edge, to be seen on the bar as well.
  return [...drawn(CARD, 3), ...drawn(INK, 1.2)];
}
