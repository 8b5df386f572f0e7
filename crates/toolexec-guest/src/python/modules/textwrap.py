class __te_textwrap__:
    def dedent(text):
        lines = [line if line.strip() else '' for line in text.split('\n')]
        margin = None
        for line in lines:
            if line:
                indent = line[:len(line) - len(line.lstrip(' \t'))]
                if margin is None:
                    margin = indent
                while not indent.startswith(margin):
                    margin = margin[:-1]
        size = len(margin or '')
        return '\n'.join([line[size:] for line in lines])
    def indent(text, prefix, predicate=None):
        lines = text.splitlines(True)
        if predicate is None:
            return ''.join([prefix + line if line.strip() else line for line in lines])
        return ''.join([prefix + line if predicate(line) else line for line in lines])
    def wrap(text, width=70, initial_indent='', subsequent_indent='', break_long_words=True):
        lines, line, start = [], '', initial_indent
        for word in text.split():
            room = width - len(start)
            if line and len(line) + 1 + len(word) > room:
                left = room - len(line) - 1
                if break_long_words and len(word) > room and left > 0:
                    line, word = line + ' ' + word[:left], word[left:]
                lines.append(start + line)
                line, start = '', subsequent_indent
                room = width - len(start)
            while break_long_words and not line and len(word) > room > 0:
                lines.append(start + word[:room])
                word, start = word[room:], subsequent_indent
                room = width - len(start)
            line = line + ' ' + word if line else word
        if line:
            lines.append(start + line)
        return lines
    def fill(text, width=70, initial_indent='', subsequent_indent='', break_long_words=True):
        return '\n'.join(__te_textwrap__.wrap(text, width, initial_indent, subsequent_indent, break_long_words))
    def shorten(text, width, placeholder=' [...]'):
        words = text.split()
        if len(' '.join(words)) <= width:
            return ' '.join(words)
        while words and len(' '.join(words) + placeholder) > width:
            words.pop()
        return (' '.join(words) + placeholder) if words else placeholder.strip()
