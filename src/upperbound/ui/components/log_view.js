// The log of a run: lines are added as they come, and chosen among here, so that choosing asks nobody.
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const KEPT = 1000;

export default {
  template: `
    <div>
      <div class="row" style="padding: 0.2rem 1rem 0.5rem">
        <label class="visually-hidden" :for="uid + 'level'">Level</label>
        <select class="input narrow" :id="uid + 'level'" v-model="level">
          <option value="DEBUG">All levels</option>
          <option value="INFO">Info and above</option>
          <option value="WARNING">Warnings and errors</option>
          <option value="ERROR">Errors</option>
        </select>
        <label class="visually-hidden" :for="uid + 'source'">Source</label>
        <select class="input narrow" :id="uid + 'source'" v-model="source">
          <option value="">All sources</option>
          <option v-for="one in sources" :key="one" :value="one">{{ one }}</option>
        </select>
        <span class="muted small" role="status">{{ shown.length }} of {{ lines.length }} lines</span>
      </div>
      <div class="log" ref="log" tabindex="0" role="log" aria-label="Log of the run" aria-live="off">
        <div v-for="line in shown" :key="line.sequence" class="line" :class="kind(line)">
          <span class="when">{{ line.when }}</span><span class="level">{{ line.level }}</span>
          <span class="from">{{ line.from }}</span><span class="message">{{ line.message }}</span>
        </div>
        <div v-if="!shown.length" class="muted">{{ lines.length ? "No line is of this level and source." : "Nothing has been said yet." }}</div>
      </div>
    </div>`,
  props: { initial: Array },
  data() {
    return { lines: [], level: "INFO", source: "", uid: `log-${Math.random().toString(36).slice(2)}-` };
  },
  computed: {
    sources() {
      return [...new Set(this.lines.map((line) => line.from))].sort();
    },
    shown() {
      const least = LEVELS.indexOf(this.level);
      return this.lines.filter((line) => LEVELS.indexOf(line.level) >= least && (!this.source || line.from === this.source));
    },
  },
  mounted() {
    this.append(this.initial ?? []);
  },
  methods: {
    kind(line) {
      return line.level === "WARNING" ? "warning" : LEVELS.indexOf(line.level) > 2 ? "error" : "";
    },
    append(lines) {
      const log = this.$refs.log;
      const atEnd = !log || log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      const last = this.lines.length ? this.lines[this.lines.length - 1].sequence : 0;
      this.lines = [...this.lines, ...lines.filter((line) => line.sequence > last)].slice(-KEPT);
      if (atEnd) this.$nextTick(() => this.$refs.log && (this.$refs.log.scrollTop = this.$refs.log.scrollHeight));
    },
  },
};
