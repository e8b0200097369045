--[[ The few constructs of the book that Pandoc does not know by itself; the grammar is in CONTRIBUTING.md.

In come a page as Pandoc reads it (a notebook, or Markdown) and the metadata that book/pandoc.py sets:
  edition   html, one of the one-document editions typst and epub, or notebook, the one-file notebooks
  page      the source, relative to the project: chapters/5-1-math.ipynb
  project   where the project lies
  pages     for each page of the book, as JSON, its source and the identifier of its first heading
  site      for notebook, the address of the published book, if it has one
  files     for notebook, the address of its repository's files, if it has one
  editions  for html, whether there are a PDF and an EPUB to link to
  runs      for html, as JSON, the classes of the cells that run in the page, by their ids
A code cell brings its options as attributes and one form of each output; a drawing is an image here, whose source
book/site/outputs.py knows. Whatever is not in the grammar is refused by name, with file and cell.
]]

local edition, page, project, anchors, site, files, editions, runs
local handlers, target, caption_of
local cell_number, cell_id = 0, ""
local stringify = pandoc.utils.stringify

local CALLOUTS = { note = "Note", tip = "Tip", warning = "Warning", important = "Important", caution = "Caution" }

local function where()
  if cell_number == 0 then return page end
  return page .. ", cell " .. cell_number .. (cell_id ~= "" and " (" .. cell_id .. ")" or "")
end
local function refuse(message) error("BOOK " .. where() .. ": " .. message, 0) end

-- The text of a file of the project.
local function read(path, refusal)
  local file = io.open(pandoc.path.join({ project, path }))
  if not file then refuse(refusal) end
  local text = file:read("a")
  file:close()
  return text
end

-- Typst, or HTML.
local function raw(text) return pandoc.RawBlock(edition == "typst" and "typst" or "html", text) end
local function escape(text)
  return (text:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end
local function div(classes, blocks, identifier, attributes)
  return pandoc.Div(blocks, pandoc.Attr(identifier or "", classes, attributes))
end

local function between(open, blocks, close)
  local all = pandoc.Blocks({ raw(open) })
  all:extend(blocks)
  all:insert(raw(close))
  return all
end

-- What may be wider than the page scrolls in its own box, which the keyboard can reach.
local function scrolling(label)
  return { { "tabindex", "0" }, { "role", "group" }, { "aria-label", label } }
end

local function inlines_of(markdown) return pandoc.utils.blocks_to_inlines(pandoc.read(markdown, "markdown").blocks) end

-- What touches a formula stays in its line, a bracket or a full stop; and a number with its noun, as in "Figure 3".
local NOUNS = { Figure = true, Section = true, Equation = true, Exercise = true, Point = true }
local function together(inlines)
  local out, run, math = pandoc.Inlines({}), pandoc.Inlines({}), false
  local function close()
    if math and #run > 1 and #run < #inlines then run = { pandoc.Span(run, { class = "together" }) } end
    out:extend(run)
    run, math = pandoc.Inlines({}), false
  end
  for i, inline in ipairs(inlines) do
    if inline.t == "Str" or inline.mathtype == "InlineMath" then
      run:insert(inline)
      math = math or inline.t == "Math"
    else
      close()
      local noun, number = inlines[i - 1], inlines[i + 1]
      if inline.t == "Space" and noun and NOUNS[noun.text] and number and (number.text or ""):match("^%d") then
        inline = pandoc.Str("\u{a0}")
      end
      out:insert(inline)
    end
  end
  close()
  return out
end

-- ---- Code cells and figures -----------------------------------------------------------------------

local function figure(source, alt, caption)
  if #(alt or "") < 60 then refuse("the figure " .. source .. " needs fig-alt, 60 characters or more") end
  caption = pandoc.Inlines(caption):walk({ Link = handlers.Link })
  if edition == "html" then caption = together(caption) end
  local image = pandoc.Plain({ pandoc.Image({}, source, "", { alt = alt }) })
  return pandoc.Figure({ image }, { pandoc.Plain(caption) }, pandoc.Attr("", { source:match("^explorer") }))
end

local function highlighted(code, label, class)
  if edition ~= "html" then return pandoc.CodeBlock(code, pandoc.Attr("", { class })) end
  return pandoc.CodeBlock(code, pandoc.Attr("", { class or "code" }, scrolling(label)))
end

local function text_output(text)
  text = text:gsub("\n+$", "")
  if edition == "html" then
    local box = '<pre tabindex="0" role="group" aria-label="Output ' .. cell_number .. '"><samp>'
    return raw(box .. escape(text) .. "</samp></pre>")
  end
  return pandoc.CodeBlock(text, pandoc.Attr("", { edition == "epub" and "output" or nil }))
end

local function fold(summary, blocks) -- of a web page; the summary is HTML
  return between('<details class="fold"><summary>' .. summary .. "</summary>", blocks, "</details>")
end

local function shown(output, options)
  local block = output.content[1]
  if block.t == "CodeBlock" then return { text_output(block.text) } end
  if block.format == "markdown" then return { figure(block.text, options["fig-alt"], inlines_of(options["fig-cap"])) } end
  local summary, folded = block.text:match("^<details><summary>(.-)</summary>(.*)</details>%s*$")
  local blocks = pandoc.read(folded or block.text, "html").blocks
  if folded and edition ~= "html" then blocks[1].caption = pandoc.Caption(pandoc.read(summary, "html").blocks) end
  blocks = blocks:walk({ Table = handlers.Table, traverse = "topdown" })
  return folded and edition == "html" and fold(summary, blocks) or blocks
end

-- The address of a page in chapters/, from any page.
local function chapter(name) return (page:find("/") and "" or "chapters/") .. name end

local function code_cell(cell)
  local options, blocks, outputs = cell.attributes, pandoc.Blocks({}), pandoc.Blocks({})
  if edition == "notebook" then return div({ "cell" }, caption_of(options), "caption-" .. cell.identifier) end

  local prints = false
  for i = 2, #cell.content do
    local result = shown(cell.content[i], options)
    prints = prints or cell.content[i].content[1].t == "CodeBlock"
    if result[1] and result[1].t == "Figure" then
      outputs:extend(result)
    elseif edition == "typst" then
      outputs:extend(between(options.classes and "#output(published: true)[" or "#output[", result, "]"))
    else
      if options.classes and edition == "html" then
        local ledger = anchors["chapters/ledger.ipynb"] and '<a href="' .. chapter("ledger.html") .. '">as published</a>'
        result[#result + 1] = raw('<p class="mark">' .. (ledger or "as published") .. "</p>")
      end
      outputs:insert(div({ "output", options.classes }, result))
    end
  end

  local summary = options["code-fold"] == "true" and (options["code-summary"] or "Code")
  if options.echo ~= "false" then
    blocks:insert(highlighted(cell.content[1].text, "Code " .. cell_number, "python"))
    if edition == "typst" and prints then blocks = between("#prints[", blocks, "]") end
    if summary and edition == "html" then
      blocks = fold(escape(summary), blocks)
    elseif summary and edition == "typst" then
      local open, close = pandoc.RawInline("typst", "#fold-title["), pandoc.RawInline("typst", "]")
      blocks:insert(1, pandoc.Plain({ open, pandoc.Str(summary), close }))
    elseif summary then
      blocks:insert(1, div({ "fold-title" }, { pandoc.Plain({ pandoc.Str(summary) }) }))
    end
  end
  if summary and edition ~= "html" and not prints then
    blocks = outputs .. blocks -- on paper the picture comes first, and then the code that drew it
  else
    blocks:extend(outputs)
  end
  return edition == "typst" and blocks or div({ "cell", runs[cell.identifier] }, blocks)
end

-- ---- One-file notebooks --------------------------------------------------------------------------

-- Markdown as Jupyter, Colab, Kaggle and VS Code read it: CommonMark, pipe tables and mathematics in dollars. Each
-- Markdown cell, and the caption of each code cell, becomes text again; book/export.py, which puts them between the code,
-- is told in JSON.
local MARKDOWN = "commonmark+tex_math_dollars+pipe_tables+strikeout"
local places, links = pandoc.List({}), pandoc.List({}) -- what can be linked to here, and where links lead

local function markdown_of(blocks)
  return (pandoc.write(pandoc.Pandoc(blocks), MARKDOWN, pandoc.WriterOptions({ wrap_text = "preserve" })):gsub("\n+$", ""))
end

local function anchor(identifier) return '<a id="' .. escape(identifier) .. '"></a>' end

-- A summary is HTML, so its text is too; mathematics stays in dollars, which Jupyter looks for everywhere.
local function details(summary, blocks, attribute)
  local inlines = pandoc.Inlines(summary):walk({
    Math = function(math) return pandoc.RawInline("html", "$" .. escape(math.text) .. "$") end,
  })
  local text = pandoc.write(pandoc.Pandoc({ pandoc.Plain(inlines) }), "html", pandoc.WriterOptions({ wrap_text = "none" }))
  -- The blank lines that the writer puts around these lines make Markdown and mathematics between them work.
  return between("<details" .. (attribute or "") .. ">\n<summary>" .. text:gsub("\n+$", "") .. "</summary>", blocks, "</details>")
end

-- Jupyter sets mathematics aside before it reads Markdown, so that the quotation mark of a second line would land in
-- the formula: in a quotation, one line a formula.
local function quotation(title, blocks)
  local all = pandoc.Blocks({ pandoc.Para({ pandoc.Strong(title) }) })
  all:extend(blocks)
  return pandoc.BlockQuote(all:walk({ Math = function(math)
    return pandoc.Math(math.mathtype, (math.text:gsub("%s*\n%s*", " ")))
  end }))
end

-- What stands below a figure. Jupyter shows stored pictures without their alternative text, so it stands there too.
function caption_of(options)
  if not options["fig-cap"] then return {} end
  local caption = inlines_of(options["fig-cap"])
  local number = caption[3] and caption[1].text == "Figure" and caption[3].text or ""
  if number:match("^[%w.]+%.$") then
    caption = pandoc.Inlines({ pandoc.Strong({ caption[1], caption[2], caption[3] }), table.unpack(caption, 4) })
  end
  local blocks = pandoc.Blocks({ pandoc.Para(caption) }):walk(handlers)
  if options["fig-alt"] then
    local words = pandoc.Blocks({ pandoc.Para(inlines_of(options["fig-alt"])) })
    blocks:extend(details({ pandoc.Str("The figure in words") }, words:walk(handlers)))
  end
  return blocks
end

-- The list of works that citeproc has made, each with the place that the citations link to.
local function works_cited(list)
  local items = list.content:map(function(entry)
    local inlines = pandoc.utils.blocks_to_inlines(entry.content):walk({ Span = function(span) return span.content end })
    inlines:insert(1, pandoc.RawInline("html", anchor(entry.identifier)))
    return { pandoc.Plain(inlines) }
  end)
  return div({ "cell" }, { pandoc.Header(2, "Works cited"), pandoc.BulletList(items) }, "works-cited")
end

-- Where a link leads from a one-file notebook; nil where only its text can stay.
local function elsewhere(full, fragment, written)
  local hash = fragment ~= "" and "#" .. fragment or ""
  if anchors[full] then
    if fragment ~= "" then links:insert(full .. hash) end
    if full == page then return hash ~= "" and hash or pandoc.path.filename(page) end
    if site then return site .. "/" .. full:gsub("%.%w+$", ".html") .. hash end
    return full:match("%.ipynb$") and pandoc.path.filename(full) .. hash or nil
  end
  read(full, "a link to '" .. written .. "', and there is no such file")
  return files and files .. full .. hash
end

-- ---- Prose --------------------------------------------------------------------------------------

local function callout(block, kind)
  if not CALLOUTS[kind] then refuse("unknown callout type 'callout-" .. kind .. "'") end
  local title, collapse = block.attributes.title, block.attributes.collapse
  for key in pairs(block.attributes) do
    if key ~= "title" and key ~= "collapse" then refuse("unknown callout attribute '" .. key .. "'") end
  end
  if not title then refuse("a callout without a title") end
  if collapse and collapse ~= "true" and collapse ~= "false" then refuse("callout attribute collapse='" .. collapse .. "'") end
  local inlines, opened = inlines_of(title), collapse == "false" and " open" or ""
  if edition == "notebook" then
    if not collapse then return quotation(inlines, block.content) end
    return details({ pandoc.Strong(inlines) }, block.content, opened)
  end
  if edition == "epub" then
    return div({ "callout", kind }, { div({ "callout-title" }, { pandoc.Plain(inlines) }), table.unpack(block.content) })
  end
  local beyond = title:find("^Beyond the chapter")
  local open, middle, close
  if edition == "typst" then
    local long = #stringify(block) > 900 and ", long: true" or ""
    open = '#callout("' .. (beyond and "beyond" or kind) .. '", "' .. CALLOUTS[kind] .. '"' .. long .. ", ["
    middle, close = "])[", "]"
  else
    inlines = together(inlines)
    if not beyond then inlines:insert(1, pandoc.RawInline("html", '<span class="kind">' .. CALLOUTS[kind] .. "</span> ")) end
    local class = ' class="callout ' .. kind .. (beyond and " beyond" or "") .. '"'
    if collapse then
      open, middle, close = "<details" .. class .. opened .. "><summary>", "</summary>", "</details>"
    else
      open, middle, close = "<div" .. class .. ' role="note"><p class="callout-title">', "</p>", "</div>"
    end
    middle, close = middle .. '<div class="callout-body">', "</div>" .. close
  end
  return between(open, { pandoc.Plain(inlines), raw(middle), table.unpack(block.content) }, close)
end

-- The place of another page: in the web edition a page of its own, else a part of the one document.
local function own(identifier) return pandoc.path.filename(page):gsub("%.%w+$", "") .. "--" .. identifier end

local function equation(block)
  local inlines = pandoc.utils.blocks_to_inlines(block.content):filter(function(inline)
    return inline.t ~= "SoftBreak" and inline.t ~= "Space"
  end)
  local math = inlines[1]
  if #inlines ~= 1 or math.mathtype ~= "DisplayMath" then
    refuse("the block #" .. block.identifier .. " holds more than one display equation")
  end
  local tag = math.text:match("\\tag%s*{([^}]*)}")
  if not tag then refuse("the equation #" .. block.identifier .. " has no \\tag") end
  if block.identifier ~= "equation-" .. tag:gsub("%.", "-") then
    refuse("the equation #" .. block.identifier .. " has the number " .. tag)
  end
  if edition == "notebook" then
    places:insert(block.identifier)
    return { raw(anchor(block.identifier)), pandoc.Para({ math }) }
  end
  local number = "(" .. tag .. ")"
  math.text = math.text:gsub("\\tag%s*{[^}]*}", ""):match("^%s*(.-)%s*$")
  if edition == "typst" then
    return between("#numbered([" .. number .. "])[", { pandoc.Plain({ math }) }, "] <" .. own(block.identifier) .. ">")
  elseif edition == "epub" then
    math = pandoc.Para({ math, pandoc.Span(number, { class = "equation-number" }) })
    return div({ "equation" }, { math }, block.identifier)
  end
  local label = "Equation " .. tag
  local link = { class = "equation-number", ["aria-label"] = label .. ", link to it" }
  return div({ "equation" }, {
    div({ "equation-body" }, { pandoc.Plain({ math }) }, nil, scrolling(label)),
    pandoc.Plain({ pandoc.Link(number, "#" .. block.identifier, "", link) }),
  }, block.identifier)
end

function target(link)
  if link:match("^%a[%w+.-]*:") then return link end
  local path, fragment = link:match("^([^#]*)#?(.*)$")
  if path == "" then
    local citation = fragment:match("^ref%-")
    if edition == "notebook" then return citation and link or elsewhere(page, fragment, link) end
    if edition ~= "html" then return "#" .. (citation and "references--" .. fragment or own(fragment)) end
    return (citation and page ~= "chapters/references.qmd" and chapter("references.html") or "") .. link
  end
  local full, up = pandoc.path.normalize(pandoc.path.join({ pandoc.path.directory(page), path })), 1
  while up > 0 do full, up = full:gsub("[^/]+/%.%./", "", 1) end -- a/../b is b
  if edition == "notebook" then return elsewhere(full, fragment, link) end
  if path:match("%.ipynb$") or path:match("%.qmd$") then
    local first = anchors[full]
    if not first then refuse("a link to '" .. path .. "', which is no page of the book") end
    if edition == "html" then return path:gsub("%.%w+$", ".html") .. link:sub(#path + 1) end
    return "#" .. pandoc.path.filename(full):gsub("%.%w+$", "") .. "--" .. (fragment ~= "" and fragment or first)
  end
  return link
end

-- The numbers of a column with one decimal point under the other: whole parts as wide as the longest.
local function decimals_aligned(table_)
  local longest = {}
  local function each(work)
    for _, row in ipairs(table_.bodies[1].body) do
      for column, cell in ipairs(row.cells) do
        local whole, rest = stringify(cell.contents):match("^(-?%d+)(%.%d+)$")
        if whole then work(column, whole, rest, cell) end
      end
    end
  end
  each(function(column, whole)
    local before = longest[column] or whole
    longest[column] = (#whole > #before or #whole == #before and whole:match("^-")) and whole or before
  end)
  each(function(column, whole, rest, cell)
    local text = "#whole[" .. longest[column] .. "][" .. whole .. "]" .. rest
    cell.contents = { pandoc.Plain({ pandoc.RawInline("typst", text) }) }
  end)
end

handlers = {
  Link = function(link)
    if link.classes:includes("btn") and edition ~= "html" then return {} end -- nothing to press on paper
    local there = target(link.target)
    if not there then return link.content end
    link.target = there
    if edition == "notebook" then link.attr = pandoc.Attr() end
    return link
  end,
  Span = function(span)
    if span.classes:includes("editions") and not editions then return {} end -- there is no PDF to link to
    if edition ~= "notebook" then return end
    if span.classes:find("nocase") then return span.content end -- citeproc's
    if span.identifier == "" or #span.classes > 0 or #span.attributes > 0 then refuse("the span '" .. stringify(span) .. "'") end
    places:insert(span.identifier)
    span.content:insert(1, pandoc.RawInline("html", anchor(span.identifier)))
    return span.content
  end,
  -- Typst would resolve citations by itself; Pandoc has done so already.
  Cite = function(cite)
    if edition == "typst" then return cite.content:walk({ Link = handlers.Link }), false end
  end,
  Inlines = function(inlines)
    if edition == "html" then return together(inlines) end
  end,
  Str = function(str)
    if str.text:find("{{<", 1, true) then refuse("a Quarto shortcode: " .. str.text) end
    if str.text:match("^:::+$") then refuse("a ':::' that closes nothing") end
    if str.text:match("^```") then refuse("a code fence that is not closed in its cell") end
    if str.text:find("[^", 1, true) then refuse("a footnote that is not there: " .. str.text) end
    -- Brackets that can be no link need no backslash, and Jupyter could take one for mathematics.
    if edition == "notebook" and str.text:find("[%[%]]") and not str.text:find("[*_`<>&$\\#|~!]") and not str.text:find("%][%(%[:]") then
      return pandoc.RawInline("commonmark", str.text)
    end
  end,
  -- The place to link to stands before a heading, so that a jump shows it; but a page begins with its title.
  Header = function(header)
    if edition ~= "notebook" then return end
    local place = raw(anchor(header.identifier))
    return header.level == 1 and { header, place } or { place, header }
  end,
  -- What Jupyter's Markdown does not have.
  DefinitionList = function() if edition == "notebook" then refuse("a definition list") end end,
  Note = function() if edition == "notebook" then refuse("a footnote") end end,
  Image = function(image)
    if edition == "notebook" then refuse("the image '" .. image.src .. "': a picture does not travel") end
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
    if edition == "notebook" then
      local fence = "```"
      while block.text:find(fence, 1, true) do fence = fence .. "`" end
      return pandoc.RawBlock("commonmark", fence .. (block.classes[1] or "") .. "\n" .. block.text .. "\n" .. fence), false
    end
    if edition == "html" then return highlighted(block.text, "Code", block.classes[1]), false end
  end,
  Figure = function(fig)
    if edition == "notebook" then return fig.content end
    local image = fig.content[1].content[1]
    local alt, caption = image.attributes["fig-alt"] or image.attributes.alt, pandoc.utils.blocks_to_inlines(fig.caption.long)
    local made = figure(image.src, alt, caption)
    read(pandoc.path.join({ pandoc.path.directory(page), image.src }), "missing file '" .. image.src .. "'")
    return made, false
  end,
  Table = function(table_)
    if edition == "notebook" and #table_.caption.long > 0 then
      local caption = table_.caption.long
      table_.caption = pandoc.Caption() -- becomes a paragraph
      return { table_, table.unpack(caption) }
    end
    if edition == "html" then
      table_.colspecs = table_.colspecs:map(function(column) return { column[1] } end) -- the browser finds the widths
      local inside = pandoc.Blocks({ table_ }):walk({ Link = handlers.Link, Str = handlers.Str })
      return div({ "table" }, inside, nil, scrolling("Table")), false
    end
    if edition == "typst" then
      decimals_aligned(table_)
      return #table_.bodies[1].body > 24 and between("#long[", { table_ }, "]") or table_, false
    end
  end,
  traverse = "topdown",
}

local function raw_markup(raw)
  if edition == "notebook" and raw.format == "commonmark" then return end -- made here
  if raw.format == "html" and raw.text:match("^%s*<!%-%-") then return {} end
  refuse("raw " .. raw.format .. ": " .. raw.text:sub(1, 40))
end
handlers.RawBlock, handlers.RawInline = raw_markup, raw_markup

-- `::: {.explorer element="explorer/front.html"}` around still figures: alive in the web edition, side by side elsewhere.
local function explorer(block)
  local stills = block.content:walk(handlers)
  if edition == "typst" then
    stills = stills:walk({ Image = function(image) image.attributes.width = "100%" return image end })
    local columns = pandoc.Blocks({})
    for _, still in ipairs(stills) do columns:extend(between("[", { still }, "],")) end
    return between("#grid(columns: (1fr, 1fr), gutter: 1em,", columns, ")")
  elseif edition == "html" then
    local element = read(block.attributes.element or "", "an explorer without its element")
    local script = '<script src="' .. (page:find("/") and "../" or "") .. 'assets/gd-explorer.js"></script>'
    return between(script .. element .. '<div class="stills">', stills, "</div></gd-explorer>")
  end
  return div({ "stills" }, stills)
end

handlers.Div = function(block)
  if block.classes:includes("cell") then
    cell_number, cell_id = cell_number + 1, block.identifier
    if block.classes:includes("code") then return code_cell(block), false end
    local content = block.content:walk(handlers)
    if edition == "notebook" then content = div({ "cell" }, content, block.identifier) end
    return content, false
  end
  for _, class in ipairs(block.classes) do
    local kind = class:match("^callout%-(.*)$")
    if kind then
      -- In a notebook Pandoc reads the last paragraph of a fence as bare text.
      local content = block.content:map(function(one) return one.t == "Plain" and pandoc.Para(one.content) or one end)
      block.content = pandoc.Blocks(content):walk(handlers)
      return callout(block, kind), false
    end
  end
  if block.classes:includes("explorer") then return explorer(block), false end
  if block.identifier:match("^equation%-") then return equation(block), false end
  if block.identifier == "refs" then
    if edition == "notebook" then return works_cited(block), false end
    return page == "chapters/references.qmd" and block or {}, false -- Pandoc needs the list to make links to it
  end
  local identifier = block.identifier ~= "" and "#" .. block.identifier or ""
  refuse("unknown block '::: {" .. identifier .. " " .. table.concat(block.classes, " ") .. "}'")
end

-- On paper a lead-in stays with what it leads to, the link to a solution with the exercise, and the last lines of a
-- chapter, seven or more, stay together.
local function kept_together(blocks)
  local out = pandoc.Blocks({})
  for _, block in ipairs(blocks) do
    local text = block.t == "Para" and stringify(block)
    local inline = text and block.content[1]
    if text and inline.t == "Span" and inline.identifier:match("to%-solution") then
      for i = #out, 1, -1 do
        if out[i].text == "#output[" then
          out[i] = raw("#output(leads: true)[")
          break
        end
      end
    end
    if text and (text:match(":$") or #text < 60) and inline.mathtype ~= "DisplayMath" then
      out:extend(between("#leads[", { block }, "]"))
    elseif block.t == "DefinitionList" and #block.content > 6 then
      local terms = block.content
      out:insert(pandoc.DefinitionList({ table.unpack(terms, 1, #terms - 3) }))
      out:insert(pandoc.DefinitionList({ table.unpack(terms, #terms - 2) }))
    else
      out:insert(block)
    end
  end
  local lines, depth, first = 0, 0, #out + 1
  while first > 1 and out[first - 1].level ~= 1 and (lines < 7 or depth > 0) do
    first = first - 1
    local block = out[first]
    if block.t == "RawBlock" then
      depth = depth + (block.text:match("^%]") and 1 or 0) - (block.text:match("%[$") and 1 or 0)
    elseif block.t == "CodeBlock" then
      lines = lines + select(2, block.text:gsub("\n", "")) + 1
    elseif block.t == "Figure" or block.t == "Table" then
      lines = lines + math.max(7, block.bodies and 2 * #block.bodies[1].body or 0)
    else
      lines = lines + (block.t:match("List$") and #block.content or 1) + #stringify(block) // 90
    end
  end
  if lines > 0 and lines < 30 then
    out:insert(first, raw("#ending["))
    out:insert(raw("]"))
  end
  return out
end

function Pandoc(document)
  local meta = document.meta
  edition, page, project = stringify(meta.edition), stringify(meta.page), stringify(meta.project)
  anchors = pandoc.json.decode(stringify(meta.pages), false)
  site, files, editions = meta.site and stringify(meta.site), meta.files and stringify(meta.files), meta.editions
  runs = meta.runs and pandoc.json.decode(stringify(meta.runs), false) or {}
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

  if edition == "notebook" then
    local cells = {}
    for _, cell in ipairs(blocks) do cells[cell.identifier] = markdown_of(cell.content) end
    for identifier in pairs(seen) do places:insert(identifier) end
    return pandoc.Pandoc({ raw(pandoc.json.encode({ cells = cells, places = places, links = links })) })
  end
  if edition == "html" then
    local contents_ = pandoc.structure.table_of_contents(blocks, { toc_depth = 3 })
    local nested = contents_.content and contents_.content[1] and contents_.content[1][2]
    meta.contents = nested and pandoc.MetaBlocks({ nested }) or nil
    meta.pagetitle = stringify(first)
    blocks:walk({ Para = function(para) meta.summary = meta.summary or stringify(para):gsub("%s+", " ") end })
    if meta.summary and pandoc.text.len(meta.summary) > 300 then
      meta.summary = pandoc.text.sub(meta.summary, 1, 300):gsub("%s%S*$", " \u{2026}")
    end
    blocks = blocks:walk({ Header = function(header)
      local number = header.content[1] and header.content[1].t == "Str" and header.content[1].text
      if number and number:match("^%d[%d.]*$") then header.content[1] = pandoc.Span(number, { class = "number" }) end
      if header.level > 1 then
        local label = { class = "permalink", ["aria-label"] = "Link to " .. stringify(header) }
        header.content:extend({ pandoc.Space(), pandoc.Link("#", "#" .. header.identifier, "", label) })
      end
      return header
    end })
  else
    local function prefix(element)
      if element.identifier ~= "" and not element.identifier:match("%-%-") then
        element.identifier = own(element.identifier)
        return element
      end
    end
    blocks = blocks:walk({ Header = prefix, Span = prefix, Div = prefix, Figure = prefix, Table = prefix })
    if edition == "typst" then blocks = kept_together(blocks) end
  end
  return pandoc.Pandoc(blocks, meta)
end
