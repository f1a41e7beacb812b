// Panels whose renderer Grafana does not publish, as the tables that they are drawn from.
import { type DataFrameDTO, FieldType } from '@grafana/data';

type Column = unknown[];

function column(frame: DataFrameDTO, name: string): Column {
  const field = frame.fields.find((each) => each.name === name);
  return Array.from((field?.values ?? []) as Column);
}

const WIDTHS: Record<string, number> = {
  Service: 120, 'Began after': 120, Took: 120, Status: 90, Level: 90, Time: 170,
};

function table(columns: Record<string, Column>, units: Record<string, string> = {}): DataFrameDTO {
  const fields = Object.entries(columns).map(([name, values]) => ({
    name,
    type: typeof values.find((value) => value !== null) === 'number' ? FieldType.number : FieldType.string,
    values,
    config: {
      unit: units[name],
      noValue: '–',
      decimals: units[name]?.startsWith('currency') ? 2 : undefined,
      custom: { width: WIDTHS[name] },
    },
  }));
  return { fields };
}

/** The spans of a trace, indented as they lie within each other. */
export function waterfall(frame: DataFrameDTO): DataFrameDTO[] {
  const spans = column(frame, 'spanID') as string[];
  const parents = column(frame, 'parentSpanID') as string[];
  const starts = column(frame, 'startTime') as number[];
  const parentOf = new Map(spans.map((span, row) => [span, parents[row] ?? '']));
  const depth = (span: string): number => {
    const parent = parentOf.get(span);
    return parent && parentOf.has(parent) ? 1 + depth(parent) : 0;
  };
  const first = Math.min(...starts);
  const names = column(frame, 'operationName') as string[];
  return [
    table(
      {
        Span: names.map((name, row) => `${'\u2003'.repeat(depth(spans[row] ?? ''))}${name}`),
        Service: column(frame, 'serviceName'),
        'Began after': starts.map((start) => start - first),
        Took: column(frame, 'duration'),
        Status: column(frame, 'statusCode').map((code) => (code === 2 ? 'failed' : 'ok')),
        Message: column(frame, 'statusMessage'),
      },
      { 'Began after': 'ms', Took: 'ms' }
    ),
  ];
}

/** Nodes, and the lines between them, the thickest first. */
export function graph(frames: DataFrameDTO[]): DataFrameDTO[] {
  const [nodes, edges] = frames;
  if (!nodes || !edges) {
    return [];
  }
  const titles = new Map(column(nodes, 'id').map((id, row) => [id, column(nodes, 'title')[row]]));
  const named = (ids: Column) => ids.map((id) => titles.get(id) ?? id);
  return [
    table(
      { Node: column(nodes, 'title'), Kind: column(nodes, 'subtitle'), Cost: column(nodes, 'mainstat') },
      { Cost: 'currency:financial:$' }
    ),
    table(
      {
        From: named(column(edges, 'source')),
        To: named(column(edges, 'target')),
        Calls: column(edges, 'mainstat'),
      },
      { Calls: 'locale' }
    ),
  ];
}

/** Log records, one a row. */
export function logs(frame: DataFrameDTO): DataFrameDTO[] {
  const times = column(frame, 'timestamp') as number[];
  return [
    table({
      Time: times.map((time) => new Date(time).toISOString().slice(0, 19).replace('T', ' ')),
      Level: column(frame, 'level'),
      Body: column(frame, 'body'),
    }),
  ];
}
