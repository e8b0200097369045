--[[ The few constructs of the book that Pandoc does not know by itself; the grammar is in CONTRIBUTING.md.

In come a page as Pandoc reads it (a notebook, or Markdown) and the metadata that book/pandoc.py sets:
  edition   html, or one of the one-document editions typst and epub
  page      the source, relative to the project: chapters/5-1-math.ipynb
  project   where the project lies
  pages     for each page of the book, as JSON, its source and the identifier of its first heading
  media     for typst and epub, the folder that drawings are written to
Whatever is not in the grammar is refused by name, with file and cell.
]]

local edition, page, project, anchors, media
local target, handlers
local cell_number, cell_id = 0, nil
local figures, regions = 0, 0
local stringify = pandoc.utils.stringify

local CALLOUTS = { note = "Note", tip = "Tip", warning = "Warning", important = "Important", caution = "Caution" }
local OPTIONS = {
  echo = "boolean", ["code-fold"] = "boolean", ["code-summary"] = "text", ["fig-cap"] = "text",
  ["fig-alt"] = "text", classes = "text",
}

local function refuse(message)
  local where = page
  if cell_number > 0 then
    where = where .. ", cell " .. cell_number .. (cell_id and cell_id ~= "" and " (" .. cell_id .. ")" or "")
  end
  error("BOOK " .. where .. ": " .. message, 0)
end

local function html(text) return pandoc.RawBlock("html", text) end
local function typst(text) return pandoc.RawBlock("typst", text) end
local function escape(text)
  return (text:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

-- What may be wider than the page scrolls in its own box, which the keyboard can reach.
local function scrolling(label)
  regions = regions + 1
  return { { "tabindex", "0" }, { "role", "group" }, { "aria-label", label } }
end
local function attributes_text(pairs_)
  local out = {}
  for _, pair in ipairs(pairs_) do out[#out + 1] = ' ' .. pair[1] .. '="' .. escape(pair[2]) .. '"' end
  return table.concat(out)
end

-- ---- Figures ------------------------------------------------------------------------------------

-- A long polyline without the points that lie within 0.03 of the line through their neighbours (Douglas and
-- Peucker): a contour keeps its shape to a twentieth of a pixel and loses most of its weight.
local function simplified(path)
  local body, ending = path:match("^%s*M%s*([%d%s.L-]*)(z?)%s*$")
  if not body then return path end
  local x, y = {}, {}
  for a, b in body:gmatch("(%-?[%d.]+)%s+(%-?[%d.]+)") do x[#x + 1], y[#y + 1] = tonumber(a), tonumber(b) end
  if #x < 20 then return path end
  local keep, stack = { [1] = true, [#x] = true }, { { 1, #x } }
  while #stack > 0 do
    local first, last = table.unpack(table.remove(stack))
    local dx, dy = x[last] - x[first], y[last] - y[first]
    local length, farthest, at = math.sqrt(dx * dx + dy * dy), 0.03, nil
    for i = first + 1, last - 1 do
      local ex, ey = x[i] - x[first], y[i] - y[first]
      local along = length > 0 and (ex * dx + ey * dy) / length or -1
      local distance = math.abs(ex * dy - ey * dx) / (length > 0 and length or 1)
      if along < 0 or along > length then distance = math.sqrt(ex * ex + ey * ey) end
      if distance > farthest then farthest, at = distance, i end
    end
    if at then
      keep[at] = true
      stack[#stack + 1], stack[#stack + 2] = { first, at }, { at, last }
    end
  end
  local out = {}
  for i = 1, #x do
    if keep[i] then out[#out + 1] = x[i] .. " " .. y[i] end
  end
  return "M" .. table.concat(out, "L") .. ending
end

-- A path in relative steps, rounded to 1 / scale: the same line in fewer bytes. Drawings hold M, L, Q, C, H, V and z.
local POINTS = { M = 1, L = 1, Q = 2, C = 3 }
local function relative(path, scale)
  local out, x, y, start_x, start_y, last = {}, 0, 0, 0, 0, nil
  local function round(number) return math.floor(number * scale + 0.5) / scale end
  local function write(number)
    return (string.format("%.2f", number):gsub("%.?0+$", ""):gsub("^(%-?)0%.", "%1."):gsub("^%-?$", "0"):gsub("^%-0$", "0"))
  end
  for command, arguments in path:gmatch("([%a])([^%a]*)") do
    local numbers = {}
    for number in arguments:gmatch("%-?[%d.]+") do numbers[#numbers + 1] = tonumber(number) end
    if command == "z" or command == "Z" then
      out[#out + 1], last, x, y = "z", "z", start_x, start_y
    else
      local count = POINTS[command]
      if not count or #numbers % (2 * count) ~= 0 then return nil end -- not as matplotlib writes it
      for first = 1, #numbers, 2 * count do
        local steps, to_x, to_y = {}, x, y
        for i = first, first + 2 * count - 1, 2 do
          to_x, to_y = round(numbers[i]), round(numbers[i + 1])
          steps[#steps + 1], steps[#steps + 2] = write(to_x - x), write(to_y - y)
        end
        local text = table.concat(steps, " "):gsub(" %-", "-")
        local letter = command:lower()
        -- A letter that repeats is left out; after "m", pairs are lines.
        if letter == last or (last == "m" and letter == "l") then
          out[#out + 1] = (text:sub(1, 1) == "-" and "" or " ") .. text
        else
          out[#out + 1] = letter .. text
        end
        last, x, y = letter, to_x, to_y
        if letter == "m" then start_x, start_y = x, y end
      end
    end
  end
  return table.concat(out)
end

local shared, drawings = {}, 0 -- glyphs and markers that an earlier figure of the page has defined

-- An SVG drawing made fit to stand inside a page: no styles (the pages' policy forbids them), two
-- decimals, identifiers that are used and unique, a name for those who do not see it.
local function inline_svg(svg, alt)
  figures = figures + 1
  svg = svg:gsub("^.-(<svg[%s>])", "%1"):gsub("<!%-%-.-%-%->", ""):gsub("<metadata>.-</metadata>", "")
    :gsub("<style.->.-</style>", ""):gsub("xlink:href", "href")
    :gsub('%sxmlns:xlink="[^"]*"', ""):gsub('%sxmlns="[^"]*"', ""):gsub('%sversion="[^"]*"', "")
  svg = svg:gsub('%sstyle="([^"]*)"', function(style)
    local out = ""
    for key, value in style:gmatch("([%w-]+)%s*:%s*([^;]+)") do
      out = out .. " " .. key .. '="' .. value:gsub("%s+$", "") .. '"'
    end
    return out
  end)
  local function rounded(text)
    return (text:gsub("%-?%d+%.%d%d%d+", function(number)
      return (string.format("%.2f", tonumber(number)):gsub("%.?0+$", ""):gsub("^%-0$", "0"))
    end))
  end
  -- Glyphs and markers, which are scaled, keep two decimals; what stands in place has one, a fifteenth of a pixel.
  svg = svg:gsub("<defs>.-</defs>", function(definitions)
    return (definitions:gsub('%sd="([^"]*)"', function(value) return ' D="' .. (relative(value, 100) or rounded(value)) .. '"' end))
  end)
  svg = svg:gsub('%sd="([^"]*)"', function(value) return ' d="' .. (relative(simplified(value), 10) or rounded(value)) .. '"' end)
    :gsub('%sD="', ' d="')
  for _, key in ipairs({ "x", "y", "cx", "cy", "r", "points", "width", "height" }) do
    svg = svg:gsub("(%s" .. key .. ')="([%d%.%s,%-]*)"', function(name, value) return name .. '="' .. rounded(value) .. '"' end)
  end
  svg = svg:gsub("translate%(([^)]*)%)", function(value) return "translate(" .. rounded(value) .. ")" end)
  svg = svg:gsub(">%s+<", "><"):gsub("%s+/>", "/>"):gsub("%s+>", ">"):gsub('fill="none"%s+', 'fill="none" ')

  -- What is drawn by reference is defined once a page; the other identifiers that are used get short, unique names.
  local used = {}
  local function name(id)
    drawings = drawings + 1
    used[id] = "d" .. drawings
    return used[id]
  end
  svg = svg:gsub("<defs>.-</defs>", function(definitions)
    return (definitions:gsub('<path id="([^"]*)"([^>]-)/>', function(id, rest)
      local key = id .. rest
      if shared[key] then
        used[id] = shared[key]
        return ""
      end
      shared[key] = name(id)
      return '<path id="' .. id .. '"' .. rest .. "/>"
    end))
  end)
  svg = svg:gsub('href="#([^"]*)"', function(id) return 'href="#' .. (used[id] or name(id)) .. '"' end)
    :gsub("url%(#([^)]*)%)", function(id) return "url(#" .. (used[id] or name(id)) .. ")" end)
  svg = svg:gsub('%sid="([^"]*)"', function(id) return used[id] and ' id="' .. used[id] .. '"' or "" end)
    :gsub("<defs></defs>", ""):gsub("<defs/>", "")
  local count
  repeat svg, count = svg:gsub("<g>(<use [^>]*/>)</g>", "%1") until count == 0
  svg = svg:gsub("<g></g>", "")

  local opening, rest = svg:match("^<svg([^>]*)>(.*)$")
  if not opening then refuse("a figure is not an SVG drawing") end
  local _, _, width, height = (opening:match('viewBox="([^"]*)"') or ""):match("^(%S+)%s+(%S+)%s+(%S+)%s+(%S+)$")
  opening = opening:gsub('%swidth="[^"]*"', ""):gsub('%sheight="[^"]*"', "")
    :gsub('%srole="[^"]*"', ""):gsub('%saria%-label="[^"]*"', "")
  local size = width and string.format(' width="%d" height="%d"', math.floor(tonumber(width) * 4 / 3), math.floor(tonumber(height) * 4 / 3)) or ""
  return '<svg role="img" aria-label="' .. escape(alt) .. '"' .. size
    .. ' stroke-linejoin="round" stroke-linecap="butt"' .. opening .. ">" .. rest
end

-- The one-document editions take drawings as files.
local function save(name, bytes)
  name = pandoc.path.filename(name)
  local file = io.open(pandoc.path.join({ media, name }), "wb")
  file:write(bytes)
  file:close()
  return "media/" .. name
end

local function figure(source, svg, alt, caption, classes)
  local body
  caption = pandoc.Inlines(caption):walk({ Link = function(link) link.target = target(link.target) return link end })
  if edition == "html" then
    body = html('<div class="drawing">' .. inline_svg(svg, alt) .. "</div>")
  else
    -- On paper a little smaller than drawn, and never wider than the text, which is 402 points wide.
    local drawn = tonumber(svg:match('viewBox="%S+ %S+ (%S+) ') or 400)
    local width = edition == "typst" and string.format("%.0f%%", math.min(100, drawn * 0.85 / 4.02)) or nil
    local image = pandoc.Image({}, save(source, svg), "", { alt = alt, width = width })
    body = pandoc.Plain({ image })
  end
  return pandoc.Figure({ body }, { pandoc.Plain(caption) }, pandoc.Attr("", classes or {}))
end

-- ---- Code cells ---------------------------------------------------------------------------------

local function highlighted(code, label)
  local block = pandoc.CodeBlock(code, pandoc.Attr("", { "python" }))
  if edition ~= "html" then return block end
  local text = pandoc.write(pandoc.Pandoc({ block }), "html")
  local lines = text:match("<code[^>]*>(.*)</code>")
  lines = lines:gsub('<span id="cb[%d-]*">', ""):gsub('<a href="#cb[^>]*></a>', "")
  -- Each line was a span of its own: its closing tag goes with it.
  lines = (lines .. "\n"):gsub("([^\n]*)\n", function(line)
    local _, opened = line:gsub("<span", "")
    local _, closed = line:gsub("</span>", "")
    if closed > opened then line = line:gsub("</span>$", "") end
    return line .. "\n"
  end):gsub("\n+$", "")
  return html('<pre class="code"' .. attributes_text(scrolling(label)) .. "><code>" .. lines .. "</code></pre>")
end

-- The options `#| key: value` at the head of a cell, as Pandoc reads YAML; and the code without them.
local function options_of(code)
  local yaml, rest = {}, code
  while true do
    local line, after = rest:match("^#|([^\n]*)\n?(.*)$")
    if not line then break end
    yaml[#yaml + 1] = line:gsub("^ ", "")
    rest = after
  end
  if #yaml == 0 then return {}, code end
  local read, document = pcall(pandoc.read, "---\n" .. table.concat(yaml, "\n") .. "\n---\n", "markdown")
  if not read then refuse("the cell options are not YAML: " .. table.concat(yaml, " | ")) end
  local options = {}
  for key, value in pairs(document.meta) do
    local kind = OPTIONS[key]
    if not kind then refuse("unknown cell option '" .. key .. "'") end
    if (kind == "boolean") ~= (type(value) == "boolean") then
      refuse("cell option '" .. key .. "' wants " .. (kind == "boolean" and "true or false" or "a text"))
    end
    options[key] = value
  end
  if options.classes and stringify(options.classes) ~= "as-published" then
    refuse("unknown class '" .. stringify(options.classes) .. "' in cell option 'classes'")
  end
  return options, (rest:gsub("^\n+", ""))
end

local function contents(path)
  local file = io.open(path, "rb")
  if not file then refuse("missing file '" .. path:gsub("^" .. project:gsub("%p", "%%%0") .. "/", "") .. "'") end
  local text = file:read("a")
  file:close()
  return text
end

local function text_output(text, label)
  text = text:gsub("\n+$", "")
  if text:find("\27", 1, true) then refuse("an output has terminal colours") end
  if edition == "html" then
    return html("<pre" .. attributes_text(scrolling(label)) .. "><samp>" .. escape(text) .. "</samp></pre>")
  elseif edition == "typst" then
    return pandoc.CodeBlock(text)
  end
  return pandoc.CodeBlock(text, pandoc.Attr("", { "output" }))
end

-- The richest form of one output that this edition can show.
local function shown(output, options)
  local image, raw, text, others = nil, nil, nil, {}
  for _, block in ipairs(output.content) do
    local only = (block.t == "Para" or block.t == "Plain") and #block.content == 1 and block.content[1]
    if only and only.t == "Image" then
      image = only
    elseif block.t == "RawBlock" and block.format == "html" then
      raw = block.text
    elseif block.t == "CodeBlock" then
      text = block.text
    else
      others[#others + 1] = block
    end
  end
  local explorer = raw and raw:find("<gd-explorer", 1, true)
  if image or explorer then
    if not options["fig-cap"] then refuse("a cell that draws needs the option 'fig-cap'") end
    local alt = options["fig-alt"] and stringify(options["fig-alt"]) or ""
    if #alt < 60 then refuse("a cell that draws needs the option 'fig-alt', 60 characters or more") end
    local caption = pandoc.utils.blocks_to_inlines({ pandoc.Plain(options["fig-cap"]) })
    if explorer and edition == "html" then
      local element = raw:gsub("<script.->.-</script>", "")
      -- The quoted configuration may hold a ">".
      local opening = element:match("<gd%-explorer%s+[%w-]+='[^']*'[^>]*>") or element:match("<gd%-explorer[^>]*>")
      local mime, bytes = pandoc.mediabag.lookup(image and image.src or "")
      if mime ~= "image/svg+xml" then refuse("an explorer without its still figure (image/svg+xml)") end
      return { pandoc.Figure({ html(opening .. '<div class="drawing">' .. inline_svg(bytes, alt) .. "</div></gd-explorer>") },
        { pandoc.Plain(caption) }, pandoc.Attr("", { "explorer" })) }
    end
    if not image then refuse("an explorer without its still figure (image/svg+xml)") end
    local mime, bytes = pandoc.mediabag.lookup(image.src)
    if mime ~= "image/svg+xml" then refuse("a figure of the type " .. tostring(mime) .. "; only SVG is known") end
    return { figure(image.src, bytes, alt, caption) }
  elseif raw then
    if raw:find("<script", 1, true) then refuse("an output with a script") end
    local summary, folded = raw:match("^<details><summary>(.-)</summary>(.*)</details>%s*$")
    if folded and edition == "html" then
      local blocks = pandoc.read(folded, "html").blocks:walk({ Table = handlers.Table, traverse = "topdown" })
      blocks:insert(1, html('<details class="fold"><summary>' .. summary .. "</summary>"))
      blocks:insert(html("</details>"))
      return blocks
    end
    return pandoc.read(raw, "html").blocks:walk({ Table = handlers.Table, traverse = "topdown" })
  elseif #others > 0 then
    return others
  elseif text then
    return { text_output(text, "Output " .. cell_number) }
  end
  return {}
end

local function code_cell(cell)
  local code = cell.content[1]
  local options, source = options_of(code.text)
  if not cell.attributes.execution_count and source:find("%S") then refuse("a code cell that was never run") end
  local blocks = pandoc.Blocks({})

  if options.echo ~= false then
    local block = highlighted(source, "Code " .. cell_number)
    local summary = options["code-fold"] and stringify(options["code-summary"] or "Code")
    if not summary then
      blocks:insert(block)
    elseif edition == "html" then
      blocks:insert(html('<details class="fold"><summary>' .. escape(summary) .. "</summary>"))
      blocks:insert(block)
      blocks:insert(html("</details>"))
    else
      if edition == "typst" then
        blocks:insert(typst("#fold-title[" .. summary:gsub("[%[%]#*_`$@\\]", "\\%0") .. "]"))
      else
        blocks:insert(pandoc.Div({ pandoc.Plain({ pandoc.Str(summary) }) }, pandoc.Attr("", { "fold-title" })))
      end
      blocks:insert(block)
    end
  end

  local drawn = false
  for i = 2, #cell.content do
    local output = cell.content[i]
    if output.classes:includes("error") then refuse("a stored error in the output") end
    if output.classes:includes("stderr") then refuse("a stored warning in the output (stderr)") end
    local result = shown(output, options)
    local is_figure = result[1] and result[1].t == "Figure"
    drawn = drawn or is_figure
    if #result == 0 or is_figure then
      blocks:extend(result)
    elseif edition == "typst" then
      blocks:insert(typst(options.classes and "#output(published: true)[" or "#output["))
      blocks:extend(result)
      blocks:insert(typst("]"))
    else
      local classes = { "output" }
      if options.classes then
        classes[2] = "as-published"
        if edition == "html" then
          local ledger = anchors["chapters/ledger.ipynb"] and (page:find("/") and "" or "chapters/") .. "ledger.html"
          result[#result + 1] = ledger
            and html('<p class="mark"><a href="' .. ledger .. '">as published</a></p>')
            or html('<p class="mark">as published</p>')
        end
      end
      blocks:insert(pandoc.Div(result, pandoc.Attr("", classes)))
    end
  end
  if not drawn and (options["fig-cap"] or options["fig-alt"]) then
    refuse("'fig-cap' and 'fig-alt' belong to a cell that draws, and this one does not")
  end
  if edition == "typst" then return blocks end
  return pandoc.Div(blocks, pandoc.Attr("", { "cell" }))
end

-- ---- Prose --------------------------------------------------------------------------------------

local function callout(div, kind)
  if not CALLOUTS[kind] then refuse("unknown callout type 'callout-" .. kind .. "'") end
  local title, collapse = div.attributes.title, div.attributes.collapse
  for key in pairs(div.attributes) do
    if key ~= "title" and key ~= "collapse" then refuse("unknown callout attribute '" .. key .. "'") end
  end
  if not title then refuse("a callout without a title") end
  if collapse and collapse ~= "true" and collapse ~= "false" then refuse("callout attribute collapse='" .. collapse .. "'") end
  local inlines = pandoc.utils.blocks_to_inlines(pandoc.read(title, "markdown").blocks)
  local beyond = title:find("^Beyond the chapter") ~= nil
  local blocks = pandoc.Blocks({})
  if edition == "html" then
    local class = "callout " .. kind .. (beyond and " beyond" or "")
    local label = beyond and "" or '<span class="kind">' .. CALLOUTS[kind] .. "</span> "
    if collapse then
      blocks:insert(html('<details class="' .. class .. '"' .. (collapse == "false" and " open" or "") .. "><summary>"))
      blocks:insert(pandoc.Plain({ pandoc.RawInline("html", label), table.unpack(inlines) }))
      blocks:insert(html('</summary><div class="callout-body">'))
      blocks:extend(div.content)
      blocks:insert(html("</div></details>"))
    else
      blocks:insert(html('<div class="' .. class .. '" role="note"><p class="callout-title">'))
      blocks:insert(pandoc.Plain({ pandoc.RawInline("html", label), table.unpack(inlines) }))
      blocks:insert(html('</p><div class="callout-body">'))
      blocks:extend(div.content)
      blocks:insert(html("</div></div>"))
    end
    return blocks
  elseif edition == "typst" then
    blocks:insert(typst('#callout("' .. (beyond and "beyond" or kind) .. '", "' .. CALLOUTS[kind] .. '", ['))
    blocks:insert(pandoc.Plain(inlines))
    blocks:insert(typst("])["))
    blocks:extend(div.content)
    blocks:insert(typst("]"))
    return blocks
  end
  blocks:insert(pandoc.Div({ pandoc.Plain(inlines) }, pandoc.Attr("", { "callout-title" })))
  blocks:extend(div.content)
  return pandoc.Div(blocks, pandoc.Attr("", { "callout", kind }))
end

local function equation(div)
  local only = #div.content == 1 and div.content[1].content and div.content[1].content:filter(function(inline)
    return inline.t ~= "SoftBreak" and inline.t ~= "Space"
  end)
  local math = only and #only == 1 and only[1].t == "Math" and only[1].mathtype == "DisplayMath" and only[1]
  if not math then refuse("the block #" .. div.identifier .. " holds more than one display equation") end
  local tag
  local text = math.text:gsub("\\tag%s*{([^}]*)}", function(number)
    tag = number
    return ""
  end)
  if not tag then refuse("the equation #" .. div.identifier .. " has no \\tag") end
  if div.identifier ~= "equation-" .. tag:gsub("%.", "-") then
    refuse("the equation #" .. div.identifier .. " has the number " .. tag)
  end
  text = text:gsub("^%s+", ""):gsub("%s+$", "")
  math = pandoc.Math("DisplayMath", text)
  if edition == "html" then
    return {
      html('<div class="equation" id="' .. div.identifier .. '"><div class="equation-body"'
        .. attributes_text(scrolling("Equation " .. tag)) .. ">"),
      pandoc.Plain({ math }),
      html('</div><a class="equation-number" href="#' .. div.identifier .. '" aria-label="Equation ' .. tag
        .. ', link to it">(' .. tag .. ")</a></div>"),
    }
  elseif edition == "typst" then
    return { typst("#numbered([(" .. tag .. ")])["), pandoc.Plain({ math }), typst("] <" .. div.identifier .. ">") }
  end
  return pandoc.Div({ pandoc.Para({ math, pandoc.Span({ pandoc.Str("(" .. tag .. ")") }, pandoc.Attr("", { "equation-number" })) }) },
    pandoc.Attr(div.identifier, { "equation" }))
end

-- The place of another page: in the web edition a page of its own, else a part of the one document.
local function own(identifier) return pandoc.path.filename(page):gsub("%.%w+$", "") .. "--" .. identifier end

function target(link)
  if link:match("^%a[%w+.-]*:") then return link end
  local path, fragment = link:match("^([^#]*)#?(.*)$")
  if path == "" then
    if fragment:match("^ref%-") then -- a citation
      if page == "chapters/references.qmd" then
        return edition == "html" and link or "#references--" .. fragment
      end
      return edition == "html" and (page:find("/") and "" or "chapters/") .. "references.html#" .. fragment
        or "#references--" .. fragment
    end
    return edition == "html" and link or "#" .. own(fragment)
  end
  local here = pandoc.path.directory(page)
  local full = pandoc.path.normalize(here == "." and path or pandoc.path.join({ here, path }))
  -- a/../b is b
  local parts = {}
  for part in full:gmatch("[^/]+") do
    if part == ".." then table.remove(parts) elseif part ~= "." then parts[#parts + 1] = part end
  end
  full = table.concat(parts, "/")
  if path:match("%.ipynb$") or path:match("%.qmd$") then
    local anchor = anchors[full]
    if not anchor then refuse("a link to '" .. path .. "', which is no page of the book") end
    if edition == "html" then
      return (path:gsub("%.%w+$", ".html")) .. (fragment ~= "" and "#" .. fragment or "")
    end
    return "#" .. pandoc.path.filename(full):gsub("%.%w+$", "") .. "--" .. (fragment ~= "" and fragment or anchor)
  end
  return link
end

handlers = {
  Link = function(link)
    link.target = target(link.target)
    return link
  end,
  -- Typst would resolve citations by itself; Pandoc has done so already.
  Cite = function(cite)
    if edition == "typst" then return cite.content:walk({ Link = handlers.Link }), false end
  end,
  Str = function(str)
    if str.text:find("{{<", 1, true) then refuse("a Quarto shortcode: " .. str.text) end
  end,
  Math = function(math)
    if math.text:find("\\tag", 1, true) and math.mathtype == "DisplayMath" then
      refuse("a numbered equation outside a block {#equation-N}")
    end
    if edition == "html" and math.mathtype == "DisplayMath" then
      return pandoc.Span({ math }, pandoc.Attr("", { "display-math" }, scrolling("Equation"))), false
    end
  end,
  CodeBlock = function(block)
    local class = block.classes[1]
    if edition == "html" then
      if class == "python" then return highlighted(block.text, "Code"), false end
      return html('<pre class="code"' .. attributes_text(scrolling("Code")) .. "><code>" .. escape(block.text) .. "</code></pre>"), false
    end
  end,
  Figure = function(fig)
    local image = fig.content[1] and fig.content[1].content and fig.content[1].content[1]
    if image and image.t == "Image" then
      local alt = image.attributes["fig-alt"] or image.attributes.alt or ""
      if #alt < 60 then refuse("the figure " .. image.src .. " needs fig-alt, 60 characters or more") end
      local path = pandoc.path.join({ project, pandoc.path.directory(page), image.src })
      return figure(path, contents(path), alt, pandoc.utils.blocks_to_inlines(fig.caption.long), fig.classes), false
    end
  end,
  RawBlock = function(raw)
    if raw.format == "html" and raw.text:match("^%s*<!%-%-") then return {} end
    refuse("raw " .. raw.format .. ": " .. raw.text:sub(1, 40))
  end,
  RawInline = function(raw)
    if raw.format == "html" and raw.text:match("^%s*<!%-%-") then return {} end
    refuse("raw " .. raw.format .. ": " .. raw.text:sub(1, 40))
  end,
  traverse = "topdown",
}

handlers.Table = function(table_)
  if edition == "html" then
    table_ = pandoc.Blocks({ table_ }):walk({ Link = handlers.Link, Str = handlers.Str })[1]
    return { html('<div class="table"' .. attributes_text(scrolling("Table")) .. ">"), table_, html("</div>") }, false
  end
end

handlers.Div = function(div)
  if div.classes:includes("cell") then
    cell_number, cell_id = cell_number + 1, div.identifier
    if div.classes:includes("markdown") then return div.content:walk(handlers), false end
    if div.classes:includes("code") then
      local block = code_cell(div)
      return block, false
    end
    refuse("a raw cell")
  end
  for _, class in ipairs(div.classes) do
    local kind = class:match("^callout%-(.*)$")
    if kind then
      -- In a notebook Pandoc reads the last paragraph of a fence as bare text.
      div.content = pandoc.Blocks(div.content:map(function(block) return block.t == "Plain" and pandoc.Para(block.content) or block end))
      div.content = div.content:walk(handlers)
      return callout(div, kind), false
    end
  end
  if div.identifier:match("^equation%-") then return equation(div), false end
  if div.identifier == "refs" then
    if page ~= "chapters/references.qmd" then return {}, false end -- Pandoc needs the list to make links to it
    if edition ~= "html" then
      div = div:walk({ Div = function(entry) if entry.identifier ~= "" then entry.identifier = "references--" .. entry.identifier; return entry end end })
      div.identifier = ""
    end
    return div, false
  end
  refuse("unknown block '::: {" .. (div.identifier ~= "" and "#" .. div.identifier or "") .. " " .. table.concat(div.classes, " ") .. "}'")
end

function Pandoc(document)
  local meta = document.meta
  edition, page, project = stringify(meta.edition), stringify(meta.page), stringify(meta.project)
  anchors, media = pandoc.json.decode(stringify(meta.pages), false), meta.media and stringify(meta.media)
  local blocks = document.blocks:walk(handlers)
  cell_number = 0

  -- Identifiers: unique in a page; in a one-document edition unique in the book.
  local seen, first = {}, nil
  blocks:walk({ Header = function(header)
    if not first then
      first = header
      if header.level ~= 1 then refuse("the first heading is not of level 1") end
    elseif header.level == 1 then
      refuse("a second heading of level 1: " .. stringify(header))
    end
    if seen[header.identifier] then refuse("two headings with the anchor #" .. header.identifier) end
    seen[header.identifier] = true
  end })
  if not first then refuse("no heading") end

  if edition == "html" then
    local contents_ = pandoc.structure.table_of_contents(blocks, { toc_depth = 3 })
    local nested = contents_.content and contents_.content[1] and contents_.content[1][2]
    meta.contents = nested and pandoc.MetaBlocks({ nested }) or nil
    meta.pagetitle = stringify(first)
    local summary
    blocks:walk({ Para = function(para) summary = summary or stringify(para) end })
    meta.summary = summary and summary:gsub("%s+", " "):sub(1, 300)
  else
    local function prefix(element)
      if element.identifier ~= "" and not element.identifier:match("%-%-") then
        element.identifier = own(element.identifier)
        return element
      end
    end
    blocks = blocks:walk({ Header = prefix, Span = prefix, Div = prefix, Figure = prefix, Table = prefix,
      RawBlock = function(raw)
        if raw.format == "typst" then
          raw.text = raw.text:gsub("^%] <(equation[%w-]*)>$", function(id) return "] <" .. own(id) .. ">" end)
          return raw
        end
      end })
  end
  return pandoc.Pandoc(blocks, meta)
end
