
'use strict'
{
  const data = JSON.parse(document.getElementById('data').textContent)
  const place = document.getElementById('charts')
  const root = document.documentElement
  const day = (second) => new Date(second * 1e3).toISOString().slice(0, 10)
  const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 2 })
  const sign = data.currency === 'USD' ? '$' : data.currency + ' '
  const money = (value) => sign + (Math.abs(value) < 1 ? Number(value.toPrecision(3)) : short.format(value))
  const ms = (value) => (value < 1000 ? Math.round(value) + ' ms' : Number((value / 1e3).toPrecision(3)) + ' s')
  const percent = (value) => Number(value.toFixed(1)) + ' %'
  const count = (value) => short.format(value)
  const bars = uPlot.paths.bars({ size: [0.7, 36] })

  const bar = (label, color, write = count) => ({ label, color, bar: true, write })
  const line = (label, color, write, more) => ({ label, color, write, ...more })
  const sum = (...columns) => columns[0].map((_, i) => columns.reduce((all, column) => all + column[i], 0))

  const charts = [
    {
      title: 'Calls, and the part that stand-ins answered',
      columns: [data.calls, data.stand_ins],
      series: [bar('calls', 'one'), line('by stand-ins', 'two', percent, { scale: 'right' })],
      left: count,
      right: percent,
    },
    { title: `Cost in ${data.currency}, where it is known`, columns: [data.cost], series: [bar('cost', 'three', money)], left: money, nothing: 'unknown' },
    {
      title: 'Latency of answered calls',
      columns: [data.p50, data.p95, data.first_p50, data.first_p95],
      series: [
        line('p50', 'one', ms),
        line('p95', 'two', ms),
        line('first content p50', 'three', ms, { dash: [5, 4] }),
        line('first content p95', 'four', ms, { dash: [5, 4] }),
      ],
      left: ms,
    },
    {
      title: 'Tokens',
      // Each bar is drawn over the one before it, which it is a part of.
      columns: [sum(data.cached, data.fresh, data.output), sum(data.cached, data.fresh), data.cached],
      shown: [data.output, data.fresh, data.cached],
      series: [bar('out', 'two'), bar('in', 'one'), bar('in, from a cache', 'three')],
      left: count,
    },
  ]

  function draw({ columns, shown = columns, nothing = '–', series, left, right }, figure) {
    const style = getComputedStyle(root)
    const color = (name) => style.getPropertyValue('--' + name).trim()
    const axis = (more) => ({
      stroke: color('soft'),
      font: '12px system-ui, sans-serif',
      grid: { stroke: color('line'), width: 1 },
      ticks: { show: false },
      ...more,
    })
    const upwards = (u, min, max) => [0, max > 0 ? max * 1.08 : 1]
    const written = (write) => (u, values) => values.map((value) => (value == null ? '' : write(value)))
    return new uPlot(
      {
        width: figure.clientWidth - 26,
        height: 220,
        tzDate: (second) => uPlot.tzDate(new Date(second * 1e3), 'Etc/UTC'),
        cursor: { drag: { x: false, y: false }, points: { size: 6 } },
        scales: {
          x: { range: () => [data.days[0] - 43200, data.days.at(-1) + 43200] },
          y: { range: upwards },
          ...(right && { right: { range: upwards } }),
        },
        axes: [
          axis({
            incrs: [1, 2, 7, 14, 28, 91, 182, 364].map((days) => days * 86400),
            space: 56,
            size: 32,
            grid: { show: false },
            values: (u, seconds) => seconds.map((second) => day(second).slice(5)),
          }),
          axis({ values: written(left), size: 58 }),
          ...(right ? [axis({ scale: 'right', side: 1, grid: { show: false }, values: written(right), size: 52 })] : []),
        ],
        series: [
          { label: 'day', value: (u, value) => (value == null ? '' : day(value)) },
          ...series.map(({ label, color: name, bar: asBar, write, scale = 'y', dash }, number) => ({
            label,
            scale,
            stroke: color(name),
            fill: asBar ? color(name) : undefined,
            width: asBar ? 0 : 2,
            dash,
            points: { show: !asBar && columns[number].length < 60, size: 5, fill: color(name) },
            ...(asBar && { paths: bars }),
            value: (u, value, at, i) => (i == null ? '' : shown[number][i] == null ? nothing : write(shown[number][i])),
          })),
        ],
      },
      [data.days, ...columns],
      figure,
    )
  }

  // What nobody knows on any day has no line.
  for (const chart of charts) {
    const told = chart.columns.map((column) => column.some((value) => value != null))
    for (const part of ['columns', 'series', 'shown']) chart[part] &&= chart[part].filter((_, i) => told[i])
    if (!chart.series.some(({ scale }) => scale === 'right')) delete chart.right
  }

  let drawn = []
  const figures = data.days.length === 0 ? [] : charts.map((chart, number) => {
    const figure = document.createElement('figure')
    const caption = document.createElement('figcaption')
    caption.id = 'chart-' + number
    caption.textContent = chart.title
    figure.append(caption)
    place.append(figure)
    if (chart.series.length > 0) return figure
    figure.append('Unknown on every day.')
    return null
  })
  function redraw() {
    for (const chart of drawn) chart.destroy()
    drawn = figures.flatMap((figure, number) => {
      if (figure === null) return []
      const chart = draw(charts[number], figure)
      const wrap = chart.root.querySelector('.u-wrap')
      wrap.setAttribute('role', 'img')
      wrap.setAttribute('aria-label', charts[number].title + ', by day. The table by day has the numbers.')
      return chart
    })
  }
  redraw()
  new ResizeObserver(() => {
    for (const chart of drawn) {
      const width = chart.root.parentElement.clientWidth - 26
      if (chart.width !== width) chart.setSize({ width, height: 220 })
    }
  }).observe(place)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw)
  // Paper is light, and as wide as it is.
  for (const [event, paper] of [['beforeprint', true], ['afterprint', false]]) {
    addEventListener(event, () => {
      root.classList.toggle('paper', paper)
      redraw()
      if (paper) for (const chart of drawn) chart.setSize({ width: 450, height: 135 })
    })
  }
}
