import { type TimeRange, LoadingState, dateTime, dateTimeFormat } from '@grafana/data';
import { PanelChrome } from '@grafana/ui';

import { theme } from './fields';
import type { Inputs, Panel } from './inputs';
import { Drawn, STANDINS } from './kinds';

// Grafana's grid: 24 columns, rows of 30 pixels, 8 between panels.
const WIDTH = 1600;
const COLUMN = (WIDTH - 24) / 24;
const ROW = 38;
const GAP = 8;
const HEAD = 92;

export function Page({ inputs }: { inputs: Inputs }) {
  const [from, to] = [dateTime(inputs.from).utc(), dateTime(inputs.to).utc()];
  const range = { from, to, raw: { from, to } };
  return (
    <div style={{ position: 'relative', width: WIDTH, minHeight: '100vh', background: theme.colors.background.canvas }}>
      <Head inputs={inputs} />
      {inputs.dashboard.panels.map((panel) => (
        <Placed key={panel.id} panel={panel} inputs={inputs} range={range} />
      ))}
    </div>
  );
}

const time = (at: number) => dateTimeFormat(at, { format: 'YYYY-MM-DD HH:mm', timeZone: 'utc' });

function Head({ inputs }: { inputs: Inputs }) {
  const chip = {
    border: `1px solid ${theme.colors.border.medium}`,
    borderRadius: theme.shape.radius.default,
    padding: '3px 8px',
    marginRight: 8,
    whiteSpace: 'nowrap',
  };
  return (
    <div style={{ padding: '12px 16px 0 12px' }}>
      <div style={{ display: 'flex', justifyContent: 'space-between' }}>
        <span style={{ fontSize: 18, fontWeight: 500 }}>{inputs.dashboard.title}</span>
        <span style={chip}>
          {time(inputs.from)} to {time(inputs.to)} UTC
        </span>
      </div>
      <div style={{ marginTop: 8, display: 'flex', overflow: 'hidden' }}>
        {inputs.choices.map(({ label, text }) => (
          <span key={label} style={chip}>
            <span style={{ color: theme.colors.text.secondary }}>{label}</span> {text}
          </span>
        ))}
      </div>
    </div>
  );
}

function Placed({ panel, inputs, range }: { panel: Panel; inputs: Inputs; range: TimeRange }) {
  const { x, y, w, h } = panel.gridPos;
  const width = w * COLUMN - GAP;
  const height = h * ROW - GAP;
  const style = { position: 'absolute', left: GAP + x * COLUMN, top: HEAD + y * ROW, width, height } as const;
  if (panel.type === 'row') {
    return (
      <div style={{ ...style, fontWeight: 500, fontSize: 16, padding: '4px 8px' }}>
        {panel.collapsed ? `› ${panel.title} (folded)` : `⌄ ${panel.title}`}
      </div>
    );
  }
  const title = STANDINS.includes(panel.type) ? `${panel.title} (drawn as its table)` : panel.title;
  return (
    <div style={style}>
      <PanelChrome
        title={title}
        description={panel.description}
        width={width}
        height={height}
        loadingState={LoadingState.Done}
        padding={panel.type === 'table' || STANDINS.includes(panel.type) ? 'none' : 'md'}
      >
        {(innerWidth: number, innerHeight: number) => (
          <Drawn
            panel={panel}
            frames={inputs.frames[panel.id] ?? []}
            range={range}
            marks={inputs.marks}
            width={innerWidth}
            height={innerHeight}
          />
        )}
      </PanelChrome>
    </div>
  );
}
