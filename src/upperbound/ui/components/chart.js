// A chart whose points arrive one by one: they are kept here, so that a second costs a few numbers and not the whole chart.
import { echarts } from "nicegui-echart";

const count = (value) => (value == null ? "–" : Math.round(value).toLocaleString("en").replaceAll(",", "\u202f"));
const FORMATS = {
  "@count": count,
  "@rate": (value) => (value == null ? "–" : value >= 100 ? count(value) : (+value.toFixed(1)).toString()),
  "@ms": (value) => (value == null ? "–" : `${value >= 100 ? count(value) : +value.toPrecision(3)} ms`),
  "@pct": (value) => (value == null ? "–" : `${+value.toPrecision(3)} %`),
  "@nines": (value) => (value <= 0 ? "p0" : `p${+(100 * (1 - 10 ** -value)).toFixed(Math.max(0, Math.round(value) - 2))}`),
  "@clock": (value) => {
    const s = Math.max(0, Math.round(value));
    const two = (number) => String(number).padStart(2, "0");
    return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${two(Math.floor(s / 60))}:${two(s % 60)}`;
  },
};

// Colours are tokens of the theme and formats are names: neither is code that came from somewhere.
function resolve(value, tokens) {
  if (typeof value === "string") {
    if (value.startsWith("var(--")) return tokens.getPropertyValue(value.slice(4, -1)).trim();
    return FORMATS[value] ?? value;
  }
  if (Array.isArray(value)) return value.length && typeof value[0] === "number" ? value : value.map((one) => resolve(one, tokens));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, key === "data" && isPoints(one) ? one : resolve(one, tokens)]));
  }
  return value;
}
const FEW = 4;
const isPoints = (data) => Array.isArray(data) && (data.length === 0 || (Array.isArray(data[0]) && typeof data[0][0] === "number"));

export default {
  template: '<div role="img"></div>',
  props: { options: Object },
  mounted() {
    this.current = JSON.parse(JSON.stringify(this.options));
    this.chart = echarts.init(this.$el, null, { renderer: "canvas" });
    this.chart.on("click", (event) => this.$emit("point", { series: event.seriesId, value: event.value, index: event.dataIndex }));
    this.observer = new ResizeObserver(() => this.chart.resize());
    this.observer.observe(this.$el);
    this.redraw = () => this.draw();
    addEventListener("upperbound-theme", this.redraw);
    this.draw();
    document.fonts?.ready.then(() => this.chart && this.draw());
  },
  beforeUnmount() {
    removeEventListener("upperbound-theme", this.redraw);
    this.observer.disconnect();
    this.chart.dispose();
    this.chart = null;
  },
  methods: {
    draw() {
      this.chart.setOption(resolve(this.current, getComputedStyle(document.documentElement)), { notMerge: true });
      this.$el.dataset.points = Math.max(0, ...this.current.series.map((one) => one.data?.length ?? 0));
    },
    replace(options) {
      this.current = options;
      this.draw();
    },
    append(points) {
      const changed = [];
      for (const series of this.current.series) {
        const added = points[series.id];
        if (!added) continue;
        const last = series.data.length ? series.data[series.data.length - 1][0] : -1;
        series.data.push(...added.filter((point) => point[0] > last));
        // A line of one point cannot be seen: as long as there are few they are dots.
        changed.push({ id: series.id, data: series.data, showSymbol: series.data.length < FEW });
      }
      const last = Math.max(0, ...this.current.series.map((one) => one.data.at(-1)?.[0] ?? 0));
      const axis = this.current.xAxis;
      if (last > axis.max) {
        // As the options were made: doubled up to the plan, and as far as the run goes beyond it.
        while (axis.max < last && axis.max < this.current.planned) axis.max = Math.min(axis.max * 2, this.current.planned);
        axis.max = Math.max(axis.max, last);
      }
      this.chart.setOption({ series: changed, xAxis: { max: axis.max } }, { lazyUpdate: true });
      this.$el.dataset.points = Math.max(0, ...this.current.series.map((one) => one.data?.length ?? 0));
    },
    update_chart() {
      this.replace(JSON.parse(JSON.stringify(this.options)));
    },
  },
};
