--[[ The few constructs of the book that Pandoc does not know by itself; the grammar is in CONTRIBUTING.md.

In come a page as Pandoc reads it (a notebook, or Markdown) and the metadata that book/pandoc.py sets:
  edition   html, one of the one-document editions typst and epub, or notebook, the one-file notebooks
  page      the source, relative to the project: chapters/5-1-math.ipynb
  project   where the project lies
  pages     for each page of the book, as JSON, its source and the identifier of its first heading
  site      for notebook, the address of the published book, if it has one
  files     for notebook, the address of its repository's files, if it has one
  runs      for html, as JSON, the classes of the cells that run in the page, by their ids
A code cell brings its options as attributes and one form of each output; a drawing is an image here, whose source
book/site/outputs.py knows. Whatever is not in the grammar is refused by name, with file and cell.
]]

local edition, page, project, anchors, site, files, runs
local target, handlers, caption_of
local cell_number, cell_id = 0, nil
local stringify = pandoc.utils.stringify

local CALLOUTS = { note = "Note", tip = "Tip", warning = "Warning", important = "Important", caution = "Caution" }

local function where()
  if cell_number == 0 then return page end
  return page .. ", cell " .. cell_number .. (cell_id and cell_id ~= "" and " (" .. cell_id .. ")" or "")
end
local function refuse(message) error("BOOK " .. where() .. ": " .. message, 0) end

local function html(text) return pandoc.RawBlock("html", text) end
local function typst(text) return pandoc.RawBlock("typst", text) end
local function escape(text)
  return (text:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

-- What may be wider than the page scrolls in its own box, which the keyboard can reach.
local function scrolling(label)
  return { { "tabindex", "0" }, { "role", "group" }, { "aria-label", label } }
end
local function attributes_text(pairs_)
  local out = {}
  for _, pair in ipairs(pairs_) do out[#out + 1] = ' ' .. pair[1] .. '="' .. escape(pair[2]) .. '"' end
  return table.concat(out)
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
  return pandoc.CodeBlock(code, pandoc.Attr("", { class == "python" and class or "code" }, scrolling(label)))
end

local function text_output(text, label)
  text = text:gsub("\n+$", "")
  if edition == "html" then
    return html("<pre" .. attributes_text(scrolling(label)) .. "><samp>" .. escape(text) .. "</samp></pre>")
  elseif edition == "typst" then
    return pandoc.CodeBlock(text)
  end
  return pandoc.CodeBlock(text, pandoc.Attr("", { "output" }))
end

local function shown(output, options)
  local block = output.content[1]
  if block.t == "CodeBlock" then return { text_output(block.text, "Output " .. cell_number) } end
  if block.format == "markdown" then return { figure(block.text, options["fig-alt"], inlines_of(options["fig-cap"])) } end
  local summary, folded = block.text:match("^<details><summary>(.-)</summary>(.*)</details>%s*$")
  local blocks = pandoc.read(folded or block.text, "html").blocks:walk({ Table = handlers.Table, traverse = "topdown" })
  if folded and edition == "html" then
    blocks:insert(1, html('<details class="fold"><summary>' .. summary .. "</summary>"))
    blocks:insert(html("</details>"))
  end
  return blocks
end

local function code_cell(cell)
  local options, blocks = cell.attributes, pandoc.Blocks({})
  if edition == "notebook" then return pandoc.Div(caption_of(options), pandoc.Attr("caption-" .. cell.identifier, { "cell" })) end

  if options.echo ~= "false" then
    local block = highlighted(cell.content[1].text, "Code " .. cell_number, "python")
    local summary = options["code-fold"] == "true" and (options["code-summary"] or "Code")
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

  for i = 2, #cell.content do
    local output = cell.content[i]
    local result = shown(output, options)
    if result[1] and result[1].t == "Figure" then
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
  if edition == "typst" then return blocks end
  return pandoc.Div(blocks, pandoc.Attr("", { "cell", runs[cell.identifier] }))
end

-- ---- One-file notebooks --------------------------------------------------------------------------

-- Markdown as Jupyter, Colab, Kaggle and VS Code read it: CommonMark, pipe tables and mathematics in dollars. Each
-- Markdown cell, and the caption of each code cell, becomes text again; book/export.py puts them between the code.
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
  local all = pandoc.Blocks({ html("<details" .. (attribute or "") .. ">\n<summary>" .. text:gsub("\n+$", "") .. "</summary>") })
  all:extend(blocks)
  all:insert(html("</details>"))
  return all
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
local function works_cited(div)
  local items = div.content:map(function(entry)
    local inlines = pandoc.utils.blocks_to_inlines(entry.content):walk({ Span = function(span) return span.content end })
    inlines:insert(1, pandoc.RawInline("html", anchor(entry.identifier)))
    return { pandoc.Plain(inlines) }
  end)
  return pandoc.Div({ pandoc.Header(2, "Works cited"), pandoc.BulletList(items) }, pandoc.Attr("works-cited", { "cell" }))
end

-- The cells as blocks of text, with raw blocks between them where a heading can be linked to: before it, so that a jump
-- shows it; but a page begins with its title.
local function cells_of(blocks)
  return blocks:map(function(cell)
    local parts, text = pandoc.Blocks({}), pandoc.Blocks({})
    local function place(identifier)
      if #text > 0 then parts:insert(pandoc.CodeBlock(markdown_of(text))) end
      if identifier and identifier ~= "" then parts:insert(pandoc.RawBlock("anchor", identifier)) end
      text = pandoc.Blocks({})
    end
    for _, block in ipairs(cell.content) do
      if block.t == "Header" and block.level > 1 then place(block.identifier) end
      text:insert(block)
      if block.t == "Header" and block.level == 1 then place(block.identifier) end
    end
    place()
    cell.content = parts
    return cell
  end)
end

-- Where a link leads from a one-file notebook; nil where only its text can stay.
local function elsewhere(full, fragment, written)
  local hash = fragment ~= "" and "#" .. fragment or ""
  if anchors[full] then
    if fragment ~= "" then links:insert({ to = full .. hash, from = where() }) end
    if full == page then return hash ~= "" and hash or pandoc.path.filename(page) end
    if site then return site .. "/" .. full:gsub("%.%w+$", ".html") .. hash end
    return full:match("%.ipynb$") and pandoc.path.filename(full) .. hash or nil
  end
  local file = io.open(pandoc.path.join({ project, full }))
  if not file then refuse("a link to '" .. written .. "', and there is no such file") end
  file:close()
  return files and files .. full .. hash
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
  local inlines = inlines_of(title)
  local beyond = title:find("^Beyond the chapter") ~= nil
  if edition == "notebook" then
    if not collapse then return quotation(inlines, div.content) end
    return details({ pandoc.Strong(inlines) }, div.content, collapse == "false" and " open")
  end
  local blocks = pandoc.Blocks({})
  if edition == "html" then
    inlines = together(inlines)
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
  if edition == "notebook" then
    places:insert(div.identifier)
    return { html(anchor(div.identifier)), pandoc.Para({ math }) }
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
    if edition == "notebook" then return fragment:match("^ref%-") and link or elsewhere(page, fragment, link) end
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
  if edition == "notebook" then return elsewhere(full, fragment, link) end
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
    if link.classes:includes("btn") and edition ~= "html" then return {} end -- nothing to press on paper
    local there = target(link.target)
    if not there then return link.content end
    link.target = there
    if edition == "notebook" then link.attr = pandoc.Attr() end
    return link
  end,
  Span = function(span)
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
    if edition ~= "notebook" then return end
    -- A sign between spaces is no markup.
    for i = 2, #inlines do
      if inlines[i].t == "Str" and inlines[i].text:match("^[<>*]=?$") and inlines[i - 1].t == "Space" then
        inlines[i] = pandoc.RawInline("commonmark", inlines[i].text)
      end
    end
    return inlines
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
  -- What Jupyter's Markdown does not have: a definition becomes an item, the caption of a table a paragraph.
  DefinitionList = function(list)
    if edition ~= "notebook" then return end
    return pandoc.BulletList(list.content:map(function(item)
      local blocks = pandoc.Blocks({ pandoc.Para({ pandoc.Strong(item[1]) }) })
      for _, definition in ipairs(item[2]) do blocks:extend(definition) end
      return blocks
    end))
  end,
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
    local image = fig.content[1] and fig.content[1].content and fig.content[1].content[1]
    if image and image.t == "Image" then
      local made = figure(image.src, image.attributes["fig-alt"] or image.attributes.alt, pandoc.utils.blocks_to_inlines(fig.caption.long))
      local file = io.open(pandoc.path.join({ project, pandoc.path.directory(page), image.src }))
      if not file then refuse("missing file '" .. image.src .. "'") end
      file:close()
      return made, false
    end
  end,
  RawBlock = function(raw)
    if raw.format == "html" and raw.text:match("^%s*<!%-%-") then return {} end
    refuse("raw " .. raw.format .. ": " .. raw.text:sub(1, 40))
  end,
  RawInline = function(raw)
    if raw.format == "commonmark" and edition == "notebook" then return end
    if raw.format == "html" and raw.text:match("^%s*<!%-%-") then return {} end
    refuse("raw " .. raw.format .. ": " .. raw.text:sub(1, 40))
  end,
  traverse = "topdown",
}

handlers.Table = function(table_)
  if edition == "notebook" and #table_.caption.long > 0 then
    local caption = table_.caption.long
    table_.caption = pandoc.Caption()
    return { table_, table.unpack(caption) }
  end
  if edition == "html" then
    table_ = pandoc.Blocks({ table_ }):walk({ Link = handlers.Link, Str = handlers.Str })[1]
    table_.colspecs = table_.colspecs:map(function(column) return { column[1] } end) -- the browser finds the widths
    return { html('<div class="table"' .. attributes_text(scrolling("Table")) .. ">"), table_, html("</div>") }, false
  end
end

-- `::: {.explorer element="explorer/front.html"}` around still figures: alive in the web edition, side by side elsewhere.
local function explorer(div)
  local stills = div.content:walk(handlers)
  if edition == "typst" then
    stills = stills:walk({ Image = function(image) image.attributes.width = "100%" return image end })
    local blocks = pandoc.Blocks({ typst("#grid(columns: (1fr, 1fr), gutter: 1em,") })
    for _, still in ipairs(stills) do blocks:extend({ typst("["), still, typst("],") }) end
    blocks:insert(typst(")"))
    return blocks
  elseif edition == "html" then
    local file = io.open(pandoc.path.join({ project, div.attributes.element or "" }))
    if not file then refuse("an explorer without its element") end
    local script = '<script src="' .. (page:find("/") and "../" or "") .. 'assets/gd-explorer.js"></script>'
    stills:insert(1, html(script .. file:read("a") .. '<div class="stills">'))
    stills:insert(html("</div></gd-explorer>"))
    file:close()
    return stills
  end
  return pandoc.Div(stills, pandoc.Attr("", { "stills" }))
end

handlers.Div = function(div)
  if div.classes:includes("cell") then
    cell_number, cell_id = cell_number + 1, div.identifier
    if div.classes:includes("markdown") then
      local content = div.content:walk(handlers)
      if edition == "notebook" then content = pandoc.Div(content, pandoc.Attr(div.identifier, { "cell" })) end
      return content, false
    end
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
  if div.classes:includes("explorer") then return explorer(div), false end
  if div.identifier:match("^equation%-") then return equation(div), false end
  if div.identifier == "refs" then
    if edition == "notebook" then return works_cited(div), false end
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
  anchors = pandoc.json.decode(stringify(meta.pages), false)
  site, files = meta.site and stringify(meta.site), meta.files and stringify(meta.files)
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
    for identifier in pairs(seen) do places:insert(identifier) end
    return pandoc.Pandoc(cells_of(blocks), { places = places, links = links })
  end
  if edition == "html" then
    local contents_ = pandoc.structure.table_of_contents(blocks, { toc_depth = 3 })
    local nested = contents_.content and contents_.content[1] and contents_.content[1][2]
    meta.contents = nested and pandoc.MetaBlocks({ nested }) or nil
    meta.pagetitle = stringify(first)
    local summary
    blocks:walk({ Para = function(para) summary = summary or stringify(para) end })
    summary = summary and summary:gsub("%s+", " ")
    if summary and pandoc.text.len(summary) > 300 then
      summary = pandoc.text.sub(summary, 1, 300):gsub("%s%S*$", " \u{2026}")
    end
    meta.summary = summary
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
