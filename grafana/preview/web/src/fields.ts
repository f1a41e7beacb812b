// Field configuration (units, names, thresholds, links, overrides) as Grafana applies it.
import {
  type DataFrame,
  type DataFrameDTO,
  type FieldConfigPropertyItem,
  PanelPlugin,
  type ScopedVars,
  applyFieldOverrides,
  createTheme,
  dataLinksOverrideProcessor,
  displayNameOverrideProcessor,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardEditorsRegistry,
  standardFieldConfigEditorRegistry,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  toDataFrame,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';

import type { Panel } from './inputs';

export const theme = createTheme({ colors: { mode: 'dark' } });

type Processor = FieldConfigPropertyItem['process'];

// Grafana's core registers these; its libraries do not.
const STANDARD: Record<string, unknown> = {
  color: identityOverrideProcessor,
  decimals: numberOverrideProcessor,
  displayName: displayNameOverrideProcessor,
  fieldMinMax: identityOverrideProcessor,
  filterable: identityOverrideProcessor,
  links: dataLinksOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  max: numberOverrideProcessor,
  min: numberOverrideProcessor,
  noValue: stringOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
  unit: unitOverrideProcessor,
};

const CUSTOM = [
  'align', 'axisPlacement', 'axisSoftMax', 'barAlignment', 'barWidthFactor', 'cellOptions',
  'drawStyle',
  'fillBelowTo', 'fillOpacity', 'filterable', 'gradientMode', 'hideFrom', 'inspect',
  'lineInterpolation', 'lineStyle', 'lineWidth', 'minWidth', 'pointSize', 'scaleDistribution',
  'showPoints', 'spanNulls', 'stacking', 'thresholdsStyle', 'width', 'wrapText',
];

function property(id: string, process: unknown): FieldConfigPropertyItem {
  return {
    id,
    path: id,
    name: id,
    editor: () => null,
    override: () => null,
    process: process as Processor,
    settings: { expandTemplateVars: true },
    shouldApply: () => true,
    getItemsCount: () => 0,
  } as unknown as FieldConfigPropertyItem;
}

standardEditorsRegistry.setInit(() => []);
standardFieldConfigEditorRegistry.setInit(() =>
  Object.entries(STANDARD).map(([id, process]) => property(id, process))
);

const plugin = new PanelPlugin<object, Record<string, unknown>>(() => null).useFieldConfig({
  useCustomConfig: (builder) => {
    for (const id of CUSTOM) {
      builder.addCustomEditor(property(id, identityOverrideProcessor) as never);
    }
  },
});

/** Of Grafana's variables a picture needs the labels of a series; links are not followed. */
export function replaceVariables(text: string, scoped?: ScopedVars): string {
  const field = scoped?.__dataContext?.value?.field;
  return text.replace(/\$\{__field\.labels\.(\w+)\}/g, (_, name) => field?.labels?.[name] ?? '');
}

/** Frames with everything that the panel says of its fields. */
export function prepared(panel: Panel, frames: DataFrameDTO[]): DataFrame[] {
  return applyFieldOverrides({
    data: frames.map((frame) => toDataFrame(frame)),
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: plugin.fieldConfigRegistry,
    replaceVariables,
    theme,
    timeZone: 'utc',
  });
}
