// Annotations: dashed lines over the plot, where Grafana's core would draw its own.
import type { UPlotConfigBuilder } from '@grafana/ui';

import { theme } from './fields';
import type { Mark } from './inputs';

export function drawMarks(config: UPlotConfigBuilder, marks: Mark[]): void {
  config.addHook('draw', (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.setLineDash([4, 4]);
    for (const mark of marks) {
      ctx.strokeStyle = theme.visualization.getColorByName(mark.colour);
      for (const time of Array.from((mark.frame?.fields[0]?.values ?? []) as number[])) {
        const x = Math.round(plot.valToPos(time, 'x', true));
        if (x >= bbox.left && x <= bbox.left + bbox.width) {
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
        }
      }
    }
    ctx.restore();
  });
}
