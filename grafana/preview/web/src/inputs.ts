// What grafana/preview/inputs.py writes.
import type { DataFrameDTO, FieldConfigSource } from '@grafana/data';

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  collapsed?: boolean;
  panels?: Panel[];
  fieldConfig: FieldConfigSource;
  // Each kind of panel has options of its own.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  options: Record<string, any>;
}

export interface Mark {
  colour: string;
  frame: DataFrameDTO | null;
}

export interface Inputs {
  dashboard: { title: string; description: string; panels: Panel[] };
  from: number;
  to: number;
  choices: Array<{ label: string; text: string }>;
  frames: Record<string, DataFrameDTO[]>;
  marks: Mark[];
}

declare global {
  interface Window {
    preview: Inputs;
  }
}
