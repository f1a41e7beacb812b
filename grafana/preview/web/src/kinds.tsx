// Each kind of panel, drawn by Grafana's own components.
import {
  type DataFrame,
  type DataFrameDTO,
  type FieldDisplay,
  type TimeRange,
  VizOrientation,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
} from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

import { prepared, replaceVariables, theme } from './fields';
import type { Mark, Panel } from './inputs';
import { drawMarks } from './marks';
import { graph, logs, waterfall } from './standins';

interface Props {
  panel: Panel;
  frames: DataFrameDTO[];
  range: TimeRange;
  marks: Mark[];
  width: number;
  height: number;
}

export const STANDINS = ['traces', 'nodeGraph', 'logs'];

export function Drawn(props: Props) {
  const { panel, frames } = props;
  switch (panel.type) {
    case 'stat':
      return <Stat {...props} />;
    case 'bargauge':
      return <Ranking {...props} />;
    case 'timeseries':
    case 'trend':
      return frames.length ? <Curves {...props} /> : <Nothing {...props} />;
    case 'traces':
      return <Tables {...props} tables={frames.flatMap(waterfall)} />;
    case 'logs':
      return <Tables {...props} tables={frames.flatMap(logs)} />;
    case 'nodeGraph':
      return <Tables {...props} tables={graph(frames)} />;
    case 'table':
      return <Tables {...props} tables={frames} />;
    default:
      throw new Error(`No picture is known of a panel of the kind ${panel.type}`);
  }
}

function Nothing({ panel, width, height }: Props) {
  const text = panel.fieldConfig.defaults.noValue ?? 'No data';
  return (
    <div style={{ width, height, padding: 16, display: 'grid', placeItems: 'center', textAlign: 'center' }}>
      {text}
    </div>
  );
}

function values({ panel, frames }: Props): FieldDisplay[] {
  return getFieldDisplayValues({
    fieldConfig: panel.fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    replaceVariables,
    theme,
    data: prepared(panel, frames),
    sparkline: false,
    percentChange: panel.options.showPercentChange,
    timeZone: 'utc',
  });
}

function Stat(props: Props) {
  const { panel, width, height } = props;
  const found = values(props);
  return (
    <div style={{ display: 'flex' }}>
      {found.map((value, at) => (
        <BigValue
          key={at}
          value={value.display}
          count={found.length}
          width={width / found.length}
          height={height}
          colorMode={panel.options.colorMode}
          graphMode={panel.options.graphMode}
          justifyMode={panel.options.justifyMode}
          textMode={panel.options.textMode}
          percentChangeColorMode={panel.options.percentChangeColorMode}
          theme={theme}
        />
      ))}
    </div>
  );
}

function Ranking(props: Props) {
  const { panel, frames, width, height } = props;
  if (!frames.length) {
    return <Nothing {...props} />;
  }
  const found = values(props);
  return (
    <VizRepeater<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>
      source={found}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      getValues={() => found}
      renderCounter={1}
      width={width}
      height={height}
      itemSpacing={8}
      minVizHeight={panel.options.minVizHeight}
      maxVizHeight={panel.options.maxVizHeight}
      minVizWidth={panel.options.minVizWidth}
      orientation={VizOrientation.Horizontal}
      renderValue={({ value, width: itemWidth, height: itemHeight, alignmentFactors }) => (
        <BarGauge
          value={value.display}
          width={itemWidth}
          height={itemHeight}
          field={value.field}
          alignmentFactors={alignmentFactors}
          orientation={VizOrientation.Horizontal}
          displayMode={panel.options.displayMode}
          showUnfilled={panel.options.showUnfilled}
          valueDisplayMode={panel.options.valueMode}
          namePlacement={panel.options.namePlacement}
          theme={theme}
        />
      )}
    />
  );
}

/** The columns as they come, the first of them the axis: curves over a number. */
function unjoined(frames: DataFrame[]): DataFrame | null {
  const [frame] = frames;
  return frame ?? null;
}

function Curves({ panel, frames, range, marks, width, height }: Props) {
  const data = prepared(panel, frames);
  for (const [at, field] of (data[0]?.fields ?? []).entries()) {
    field.state = { ...field.state, origin: { frameIndex: 0, fieldIndex: at } };
  }
  const overTime = panel.type === 'timeseries';
  return (
    <TimeSeries
      frames={data}
      structureRev={1}
      timeRange={range}
      timeZone="utc"
      width={width}
      height={height}
      legend={panel.options.legend}
      options={panel.options}
      preparePlotFrame={overTime ? undefined : unjoined}
    >
      {(config) => {
        if (overTime) {
          drawMarks(config, marks);
        }
        return null;
      }}
    </TimeSeries>
  );
}

function Tables(props: Props & { tables: DataFrameDTO[] }) {
  const { panel, tables, width, height } = props;
  if (!tables.length) {
    return <Nothing {...props} />;
  }
  return (
    <div style={{ display: 'flex' }}>
      {prepared(panel, tables).map((data, at) => (
        <TableNG
          key={at}
          data={data}
          width={width / tables.length}
          height={height}
          cellHeight={panel.options.cellHeight}
          sortBy={panel.options.sortBy}
          fieldConfig={panel.fieldConfig}
          // A picture has no scrolling that would bring further rows in.
          enableVirtualization={false}
        />
      ))}
    </div>
  );
}
